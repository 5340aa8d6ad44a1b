/** The part of picomatch that is used here. */
interface Options {
  dot?: boolean;
  nonegate?: boolean;
}

declare function picomatch(patterns: string[], options: Options): (text: string) => boolean;

declare namespace picomatch {
  function scan(pattern: string, options: Options): { base: string; isGlob: boolean };
}

export default picomatch;
