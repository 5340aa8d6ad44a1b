/** What is mounted on this host, as this process sees it. */

/** Absolute paths of all mount points; none where /proc is not there. */
export function mountPoints(): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync("/proc/self/mountinfo");
  } catch {
    return [];
  }
  return parseMountPoints(text);
}

/** The fifth field of each line (proc(5)); blanks and backslashes in it are written in octal. */
export function parseMountPoints(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [
      point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    ];
  });
}
