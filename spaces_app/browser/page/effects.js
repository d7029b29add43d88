// What else may stand in a symbol's place: some candidates are no symbols but change how it stands. The
// Space that reads on a server says the same.

/** @type {Readonly<Record<string, string>>} */
export const EFFECTS = {
  "^": "raised",
  _: "lowered",
  "{": "in a group",
  "}": "behind the group",
  "\\limits": "under the operator",
  "&": "in the next cell",
  "\\\\": "on the next line",
};
