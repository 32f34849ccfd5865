// How tokens, ranges, labels and answers are said in words, and which colour and stroke a label has.
// Pure; knows the schema and the tokens of an item as they travel.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { format } = Forklore;
  const HUES = 6;
  const STROKES = 4;
  // pairs of colour and stroke until both begin anew
  const LOOKS = 12;
  const LONGEST = 48;

  /** One token in a line: marks for what is invisible. */
  const piece = (token) => (token.x ? `⟨${token.x}⟩` : format.label(token.t));

  function quote(tokens, start, stop) {
    const whole = tokens.slice(start, stop).map((token) => (token.x ? `⟨${token.x}⟩` : token.t)).join("");
    const said = format.label(whole.trim() ? whole.trim() : whole);
    return `‘${format.cut(said, LONGEST)}’`;
  }

  /** [start, stop) as people count tokens. */
  const range = (start, stop) => (stop - start === 1 ? `token ${start + 1}` : `tokens ${start + 1} to ${stop}`);
  const counted = (n, word) => (n === 1 ? `1 ${word}` : `${format.count(n)} ${word}s`);

  /** Of actions that the server does not take for now. */
  const kept = (n) => `Not saved: ${counted(n, "action")} kept in this browser`;

  /** Every label of a schema with its set and how it is drawn; no two of the first twelve look alike without colour and stroke. */
  function palette(schema) {
    let i = 0;
    const rows = schema.label_sets.flatMap((set) => set.labels.map((label) => ({ set, label, hue: (i % HUES) + 1, stroke: i % STROKES, look: i++ % LOOKS })));
    const known = new Map(rows.map((row) => [`${row.set.name}/${row.label.name}`, row]));
    return { rows, of: ({ set, label }) => known.get(`${set}/${label}`) || { set: { name: set, title: set }, label: { name: label, title: label }, hue: 0, stroke: 0, look: 0 } };
  }

  /** The value of an answer in words, of any kind of question. */
  function answer(question, value, tokens) {
    if (value === null || value === undefined) return "no answer";
    if (question.kind === "token") return value === "nowhere" ? "nowhere" : `${quote(tokens, value, value + 1)} (token ${value + 1})`;
    if (question.kind === "preference") return { a: "A", b: "B", tie: "no difference" }[value] || String(value);
    return Array.isArray(value) ? value.join(", ") : String(value);
  }

  /** What an action was, for one that was refused. */
  function deed({ kind, payload }, schema) {
    const title = () => schema.questions.find((one) => one.name === payload.question)?.title || payload.question;
    switch (kind) {
      case "label": return `The label ${payload.label} on ${range(payload.start, payload.stop)}`;
      case "unlabel": return "Taking a label away";
      case "answer": return `The answer to “${title()}”${typeof payload.value === "string" ? ` (${payload.value})` : ""}`;
      case "comment": return `The comment “${payload.text}”`;
      case "flag": return payload.on ? "The flag" : "Taking the flag away";
      case "skip": return `Skipping (${payload.reason})`;
      default: return { submit: "Submitting", reopen: "Opening the item again", undo: "Undo", redo: "Redo" }[kind] || kind;
    }
  }

  /** The time of day of an ISO moment, to the second. */
  function clock(iso) {
    const when = new Date(iso);
    return Number.isNaN(when.getTime()) ? "" : [when.getHours(), when.getMinutes(), when.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
  }

  Forklore.annotationWords = { piece, quote, range, counted, kept, palette, answer, deed, clock };
})();
