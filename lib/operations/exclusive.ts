/** A run that may change something: holds the home's lock, first mends what a dead run left. */
import { resumeAlerts } from "./announce.ts";
import { type Context, takeLock } from "./context.ts";
import { withSoundCatalog } from "./damaged_catalog.ts";
import { recoverLeftovers } from "./recover.ts";

/**
 * Takes the lock (LOCKED at once where another run holds it), brings back what a run that died left
 * behind, and gives the lock back on disposal.
 */
export async function beginExclusive(ctx: Context): Promise<Disposable> {
  const lock = await takeLock(ctx);
  resumeAlerts(ctx);
  try {
    await withSoundCatalog(ctx, () => recoverLeftovers(ctx));
    return lock;
  } catch (cause) {
    lock[Symbol.dispose]();
    throw cause;
  }
}
