/** Lets this process stand back behind others, for the processor and for the disk. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";

const PRIO_PROCESS = 0;
const NICEST = 19;
const IOPRIO_WHO_PROCESS = 1;
/** Class "best effort", its last level. Class "idle" could wait for ever while services are down. */
const LAST = 2 << 13 | 7;

/**
 * The processor's and the disk's lowest ordinary priority, for all threads there are and all they
 * start. Needs no privilege, and cannot be taken back. Never throws: it is a courtesy.
 */
export function lowerPriority(): void {
  // On Linux both belong to a thread, not to the process.
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    libc.setpriority(PRIO_PROCESS, Number(name), NICEST);
    libc.ioprio_set(c.SYS_IOPRIO_SET, IOPRIO_WHO_PROCESS, Number(name), LAST);
  }
}
