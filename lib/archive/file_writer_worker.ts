/** The thread that fills files for a FileWriter. */
import { type RingMemory, WriteRing } from "./write_ring.ts";

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<RingMemory>) => void };

scope.onmessage = ({ data }) => new WriteRing(data).serve();
