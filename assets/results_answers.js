// Answers to a schema's questions: how they are written, and a field to give one.
// The same fields serve the preview of a schema, known answers and final labels.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts, annotationWords } = Forklore;
  const { el } = dom;
  const { words, input } = resultsParts;

  /** Which colour and kind of line a label has, the very ones that annotators see. */
  const labelHue = (schema, set, label) => annotationWords.palette(schema).of({ set, label }).look;
  const labelClass = (schema, set, label) => `fl-rs-hue-${labelHue(schema, set, label)}`;
  const titleOf = (schema, set, label) => schema.label_sets.find((one) => one.name === set)?.labels.find((one) => one.name === label)?.title || label;

  /** An answer in words; "" where there is none. */
  function answerText(question, value) {
    if (value === undefined) return "";
    if (question.kind === "token") return value === null ? "nowhere" : `token ${format.count(value + 1)}`;
    if (value === null || value === "") return "";
    if (question.kind === "multi") return value.length ? value.join(", ") : "none of them";
    if (question.kind === "preference") return { a: "the first", b: "the second", tie: "a tie" }[value] || String(value);
    if (question.kind === "likert") return `${value} of ${question.high}`;
    return String(value);
  }

  const KINDS = { choice: "one of", multi: "any of", likert: "a scale", text: "free text", token: "a token of the text", preference: "which of two" };

  function choices(question) {
    if (question.kind === "choice") return question.options.map((one) => [one, one]);
    if (question.kind === "preference") return [["a", "the first"], ["b", "the second"], ...(question.ties === false ? [] : [["tie", "a tie"]])];
    const ends = { [question.low]: question.low_text, [question.high]: question.high_text };
    return Array.from({ length: question.high - question.low + 1 }, (_, i) => question.low + i).map((n) => [String(n), ends[n] ? `${n}, ${ends[n]}` : String(n)]);
  }

  /** One of several: a radio for each; pressing the chosen one again takes it back. */
  function radios(question, value, changed) {
    const name = dom.uid("fl-rs-answer");
    return el("span", { class: "fl-rs-choices" }, choices(question).map(([key, text]) => {
      const given = question.kind === "likert" ? Number(key) : key;
      const box = el("input", { type: "radio", name, value: key, checked: value === given, onchange: () => changed(given) });
      return el("label", {}, box, words(text));
    }), dom.button("Clear", (event) => { for (const box of event.currentTarget.parentElement.querySelectorAll("input")) box.checked = false; changed(undefined); }, { class: "fl-button fl-rs-small", "aria-label": `Clear the answer to ${question.title}` }));
  }

  function boxes(question, value, changed) {
    const chosen = new Set(value || []);
    return el("span", { class: "fl-rs-choices" }, question.options.map((text) => el("label", {}, el("input", { type: "checkbox", checked: chosen.has(text), onchange: (event) => {
      if (event.target.checked) chosen.add(text); else chosen.delete(text);
      changed(question.options.filter((one) => chosen.has(one)));
    } }), words(text))));
  }

  /** Which token: picked in the text or told by number; "nowhere" is an answer, too. */
  function tokenField(question, value, changed, context) {
    const number = input({ type: "number", min: 1, max: context.tokens || undefined, value: Number.isInteger(value) ? value + 1 : "", "aria-label": `${question.title}: token number` });
    const nowhere = el("input", { type: "checkbox", checked: value === null });
    number.addEventListener("change", () => { nowhere.checked = false; const n = Math.round(Number(number.value)); changed(n >= 1 && n <= (context.tokens || Infinity) ? n - 1 : undefined); });
    nowhere.addEventListener("change", () => { number.value = ""; changed(nowhere.checked ? null : undefined); });
    const take = context.selected ? dom.button("Take the selected token", () => { const at = context.selected(); if (at >= 0) { number.value = at + 1; nowhere.checked = false; changed(at); } }, { class: "fl-button fl-rs-small" }) : null;
    return el("span", { class: "fl-rs-choices" }, number, take, el("label", {}, nowhere, "nowhere"));
  }

  /** A field for one question. value undefined: no answer; changed(value) on each change; context: {tokens?, selected?()}. */
  function answerField(question, value, changed, context = {}) {
    const control = { choice: radios, likert: radios, preference: radios, multi: boxes, token: tokenField }[question.kind]?.(question, value, changed, context)
      || el("textarea", { class: "fl-rs-input", rows: 2, maxlength: 10000, value: value || "", "aria-label": question.title, oninput: (event) => changed(event.target.value || undefined) });
    return el("div", { class: "fl-rs-question", role: "group", "aria-label": question.title }, el("p", {}, el("b", {}, words(question.title)), question.required ? el("span", { class: "fl-rs-soft", text: " required" }) : null, el("span", { class: "fl-rs-kind", text: ` ${KINDS[question.kind] || question.kind}` })),
      question.help ? el("p", { class: "fl-rs-hint" }, words(question.help)) : null, control);
  }

  /** The labels of a set as chips with their keys; press(set, label) where they can be given. */
  function palette(schema, press) {
    return schema.label_sets.map((set) => el("div", { class: "fl-rs-set", role: "group", "aria-label": set.title }, el("p", {}, el("b", {}, words(set.title)), el("span", { class: "fl-rs-kind", text: ` on ${set.unit === "token" ? "single tokens" : "spans"}${set.overlap ? ", may overlap" : ""}` })),
      set.help ? el("p", { class: "fl-rs-hint" }, words(set.help)) : null,
      el("div", { class: "fl-rs-chips" }, set.labels.map((label) => {
        const inside = [label.key ? el("kbd", { text: label.key }) : null, el("span", { class: `fl-rs-hue ${labelClass(schema, set.name, label.name)}` }, words(label.title))];
        return press ? el("button", { type: "button", class: "fl-rs-chip", title: label.description, onclick: () => press(set.name, label.name) }, inside) : el("span", { class: "fl-rs-chip", title: label.description }, inside, label.description ? el("small", {}, words(label.description)) : null);
      }))));
  }

  /** What annotators will see of a schema: labels with keys, questions as fields that keep nothing. */
  Forklore.schemaPreview = (schema) => el("div", { class: "fl-rs-card fl-rs-preview", role: "group", "aria-label": "What annotators will see" }, el("p", { class: "fl-rs-kind", text: "What annotators will see. Try it: nothing is kept." }), palette(schema), schema.questions.map((question) => answerField(question, undefined, () => {})));
  Forklore.resultsAnswers = { labelHue, labelClass, titleOf, answerText, answerField, palette };
})();
