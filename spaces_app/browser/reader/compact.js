// Canonical tokens as compact LaTeX that compiles: the same as tokenizer/compact_inktex.py.
//
// A model may stop early or forget a brace. What it wrote is still shown, so the writer closes what is
// open, gives missing arguments as `{}`, and leaves out what TeX would refuse.

import {
  ARGUMENT_COUNTS,
  CELL_END,
  LIMITS_OPERATORS,
  LINE_END,
  OPTIONAL_ARGUMENT_TOKENS,
  UNKNOWN_MARK,
  UNWRITTEN,
} from "./vocabulary.js";
import { withEnvironments } from "./environments.js";

/**
 * Tokens as LaTeX without the spaces that LaTeX does not need.
 * @param {readonly string[]} tokens canonical tokens
 * @returns {string}
 */
export function compact(tokens) {
  return new Writer(withEnvironments(tokens.filter((token) => !UNWRITTEN.has(token)))).write();
}

/** An open group: the whole, a `{ }`, a `[ ]`, a matrix, or an argument without braces. */
class Group {
  /**
   * @param {string} closing
   * @param {boolean} isImplicit opened round an argument without braces: ends after one item
   */
  constructor(closing = "", isImplicit = false) {
    this.closing = closing;
    this.isImplicit = isImplicit;
    /** How many arguments the last command still waits for. */
    this.owed = 0;
    /** @type {Set<string>} Scripts that the present base has; TeX refuses a second one of a kind. */
    this.scripts = new Set();
  }
}

/** Walks the tokens once; a stack instead of recursion, so that no depth is too deep. */
class Writer {
  /** @param {string[]} tokens */
  constructor(tokens) {
    this.tokens = tokens;
    /** @type {string[]} */
    this.pieces = [];
    this.groups = [new Group()];
  }

  get group() {
    return this.groups[this.groups.length - 1];
  }

  write() {
    this.tokens.forEach((token, index) => {
      if (token === "}") this.closeBrace();
      else if (token.startsWith("\\end{")) this.closeMatrix(token);
      else if (token === CELL_END || token === LINE_END) this.endCell(token);
      else if (this.group.owed) this.writeArgument(index, token);
      else this.writeItem(index, token);
      this.closeImplicitGroups();
    });
    while (this.groups.length > 1) this.pop();
    this.giveMissingArguments();
    return this.pieces.join("");
  }

  /**
   * @param {number} index
   * @param {string} token
   */
  writeArgument(index, token) {
    const group = this.group;
    if (token === "{") {
      group.owed -= 1;
      this.push("{", "}");
    } else if (this.opensOptionalArgument(index)) {
      this.push("[", "]");
    } else if (token === "^" || token === "_" || token === "\\limits") {
      // Ending one command may leave the one round it without its second argument.
      while (this.group.owed) {
        this.giveMissingArguments();
        this.closeImplicitGroups();
      }
      this.writeItem(index, token);
    } else {
      group.owed -= 1;
      this.push("{", "}", true);
      this.writeItem(index, token);
    }
  }

  /**
   * @param {number} index
   * @param {string} token
   */
  writeItem(index, token) {
    const group = this.group;
    if (token === "\\limits") {
      if (this.pieces.length && LIMITS_OPERATORS.has(this.last)) this.emit(token);
      return;
    }
    if (token === "]" && group.closing === "]") {
      this.pop();
      return;
    }
    if (token === "^" || token === "_") {
      if (group.scripts.has(token)) {
        this.emit("{}"); // an empty base for a second script of the same kind
        group.scripts.clear();
      }
      group.scripts.add(token);
    } else {
      group.scripts.clear();
    }
    if (token === "{") {
      this.push("{", "}");
      return;
    }
    if (token.startsWith("\\begin{")) {
      this.push(token, token.replace("begin", "end"));
      return;
    }
    this.emit(token === UNKNOWN_MARK ? "\\boxtimes" : token);
    group.owed = ARGUMENT_COUNTS.get(token) ?? 0;
  }

  /**
   * Whether the `[` at `index` belongs to the command before it and is closed.
   * @param {number} index
   */
  opensOptionalArgument(index) {
    if (this.tokens[index] !== "[" || !index) return false;
    if (!OPTIONAL_ARGUMENT_TOKENS.has(this.tokens[index - 1])) return false;
    // TeX ends the outer bracket at the inner `]`.
    if (this.groups.some((group) => group.closing === "]")) return false;
    let depth = 0;
    for (const token of this.tokens.slice(index + 1)) {
      depth += Number(token === "{") - Number(token === "}");
      if (depth < 0) return false;
      if (token === "]" && depth === 0) return true;
    }
    return false;
  }

  closeBrace() {
    while (this.group.isImplicit) this.pop();
    if (this.group.closing === "}") this.pop();
    // A `}` that closes nothing is left out, but ends what waits for an argument.
    else this.giveMissingArguments();
  }

  /** @param {string} token */
  closeMatrix(token) {
    if (!this.groups.some((group) => group.closing === token)) return;
    while (this.group.closing !== token) this.pop();
    this.pop();
  }

  /** @param {string} token */
  endCell(token) {
    while (this.group.isImplicit) this.pop();
    this.giveMissingArguments();
    if (this.group.closing.startsWith("\\end{")) {
      this.emit(token);
      this.group.scripts.clear();
    }
  }

  closeImplicitGroups() {
    while (this.group.isImplicit && !this.group.owed) this.pop();
  }

  /**
   * @param {string} opening
   * @param {string} closing
   * @param {boolean} isImplicit
   */
  push(opening, closing, isImplicit = false) {
    this.emit(opening);
    this.groups.push(new Group(closing, isImplicit));
  }

  pop() {
    this.giveMissingArguments();
    this.emit(this.group.closing);
    this.groups.pop();
  }

  giveMissingArguments() {
    for (let missing = this.group.owed; missing > 0; missing--) this.emit("{}");
    this.group.owed = 0;
  }

  get last() {
    return this.pieces[this.pieces.length - 1] ?? "";
  }

  /** @param {string} piece */
  emit(piece) {
    // `\alphax` would be another command: a letter needs its space after a command name.
    if (/^\p{L}/u.test(piece) && /^\\.*\p{L}$/su.test(this.last)) this.pieces.push(" ");
    // Behind a line's end these would be a distance and a star.
    if ((piece === "[" || piece === "*") && /^(?:\\\\|\\begin\{)/.test(this.last)) this.pieces.push("{}");
    this.pieces.push(piece);
  }
}
