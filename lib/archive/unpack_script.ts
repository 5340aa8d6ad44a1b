/** How an incremental archive is unpacked where there is no duckback; both are in each of them. */

export const UNPACK_SCRIPT = String.raw`#!/bin/sh
# sh unpack.sh FULL.tar.gz INCREMENTAL.tar.gz ... unpacks duckback's archives here, with GNU's tools.
set -euf
tar="tar --xattrs --xattrs-include=* --acls -S -p"
for archive; do
  rm -rf .duckback; $tar -xf "$archive" .duckback
  # Files of which earlier archives hold parts are put together from the tree as those left it.
  [ ! -d .duckback/files ] || find .duckback/files -type f -exec sh -euc 'for recipe; do
    at=0; to=.duckback/new/\${recipe#.duckback/files/}
    mkdir -p "\${to%/*}"
    while read -r kind length offset path rest; do
      case $kind in
        old) from=$(printf "%bx" "$path"); from=\${from%x} ;;
        new) from=.duckback/data/$path ;;
        zero) at=$((at + length)); continue ;;
        *) continue ;;
      esac
      dd if="./$from" of="$to" bs=64K iflag=skip_bytes,count_bytes skip="$offset" count="$length" oflag=seek_bytes seek="$at" conv=notrunc,sparse status=none
      at=$((at + length))
    done < "$recipe"
    truncate -s "$at" "$to"; cp --attributes-only --preserve=all -- "$recipe" "$to"
  done' sh {} +
  # What is gone, or is in the way, is removed; then all that is new comes.
  cat .duckback/deleted .duckback/replaced 2> /dev/null | xargs -0r rm -rf --
  [ ! -d .duckback/new ] || (cd .duckback/new; find . -type f -exec sh -euc 'for file; do
    mkdir -p "../../\${file%/*}"; mv -f "$file" "../../$file"
  done' sh {} +)
  $tar -xf "$archive" --anchored --exclude=.duckback
done
rm -rf .duckback
`.replaceAll("\\$", "$");

export const README =
  `This is an incremental archive of duckback: it holds what has changed since an earlier one.
Unpack that one first (and before it the one that it was made against, down to a full one).

Without duckback, in an empty directory:

  sh unpack.sh FULL.tar.gz INCREMENTAL.tar.gz ...

where unpack.sh is .duckback/unpack.sh of this archive. By hand, for each archive in turn:

1. tar -xf ARCHIVE .duckback
2. If there is .duckback/files: each file below it is a recipe for the file of the same path. Its lines
   "old LENGTH OFFSET PATH ..." and "new LENGTH OFFSET NUMBER ..." say, in order, what that file is made
   of: bytes of PATH as the earlier archives left it (escaped as \`printf %b\` reads it), bytes of
   .duckback/data/NUMBER, and for "zero LENGTH" zeros. Owner, mode, times and attributes are the recipe's.
   Put all of them together before anything else is changed.
3. Remove what .duckback/deleted and .duckback/replaced list: xargs -0r rm -rf -- < .duckback/deleted
4. Put the files of step 2 in their places.
5. tar -xpf ARCHIVE --xattrs --xattrs-include='*' --acls -S --anchored --exclude=.duckback

Where there is neither .duckback/files nor .duckback/replaced, plain \`tar -x\` and then step 3 will do.
`;
