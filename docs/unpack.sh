#!/bin/sh
# sh unpack.sh FULL.tar.gz INCREMENTAL.tar.gz ... unpacks duckback's archives here, with GNU's tools.
set -euf
tar="tar --xattrs --xattrs-include=* --acls -S -p"
for archive; do
  rm -rf .duckback; $tar -xf "$archive" .duckback
  # Files of which earlier archives hold parts are put together from the tree as those left it.
  [ ! -d .duckback/files ] || find .duckback/files -type f -exec sh -euc 'for recipe; do
    at=0; to=.duckback/new/${recipe#.duckback/files/}
    mkdir -p "${to%/*}"
    while read -r kind length offset path rest; do
      case $kind in
        old) from=$(printf "%bx" "$path"); from=${from%x} ;;
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
    mkdir -p "../../${file%/*}"; mv -f "$file" "../../$file"
  done' sh {} +)
  $tar -xf "$archive" --anchored --exclude=.duckback
done
rm -rf .duckback
