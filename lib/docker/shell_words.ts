/** Command lines as compose files write them: cut into words as a shell would, nothing expanded. */

/** `sh -c "echo 'a b'"` is three words. A quote that is never closed reaches to the end. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "\\" && quote !== "'" && at + 1 < text.length) {
      const next = text[++at];
      // Within double quotes a backslash stands for itself before most characters.
      word = (word ?? "") + (quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next);
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}
