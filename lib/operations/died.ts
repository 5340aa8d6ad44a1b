/** What is said of a run that died. Alone, for the command line's start loads it. */

/** What is to be done about rows that `died`, and whatever else a run left that died. */
export const DIED = "A run died and left something to mend: run `duckback recover`.";
