/** Suggestions for a mistyped word. */

/** The up to three words nearest to `word`, best first; none where nothing is near. */
export function nearest(word: string, words: readonly string[]): string[] {
  const typed = word.toLowerCase();
  return words
    .map((candidate) => ({ candidate, score: score(typed, candidate.toLowerCase()) }))
    .filter(({ score }) => score <= Math.max(2, Math.floor(typed.length / 3)))
    .sort((a, b) => a.score - b.score)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** Edits between the two, where a word left off at either end ("compression") costs only one. */
function score(typed: string, candidate: string): number {
  if (typed.length >= 4 && candidate.includes(typed)) return 1;
  return distance(typed, candidate);
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + same));
    }
    row = next;
  }
  return row[b.length];
}
