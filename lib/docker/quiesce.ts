/** Quiesce and resume: plan, stop, start. */
export { type PlanOptions, planQuiesce, type QuiesceItem, type QuiescePlan } from "./plan.ts";
export { stopAll, type StopOptions, type StoppedContainer, type StopReport } from "./stop_all.ts";
export { nothingStarted, startAll, type StartOptions, type StartReport } from "./start_all.ts";
