/** What is thrown of a block that does not hold what it should. */
export class BlockError extends Error {
  override readonly name = "BlockError";
}
