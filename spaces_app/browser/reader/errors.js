/** There is no formula in what was given. */
export class NoFormulaError extends Error {
  /**
   * @param {string} message
   * @param {number | null} score how sure the model is of it; null where it was not asked
   */
  constructor(message, score = null) {
    super(message);
    this.name = "NoFormulaError";
    this.score = score;
  }
}
