// The questions about an item, each drawn by its kind; what is written is told once the writer pauses.
// Reports answers; does not know where they go.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, annotationWords } = Forklore;
  const { el } = dom;
  const PAUSE_MS = 700;
  const MOST_CHARS = 10_000;
  const PREFERENCE = [["a", "A is better"], ["b", "B is better"], ["tie", "No difference"]];

  /** A field for words that tells them when the writer pauses or leaves, and never loses what is being written. */
  class Draft {
    constructor({ rows, told, ...attributes }) {
      Object.assign(this, { told, timer: 0, dirty: false });
      this.field = el("textarea", { class: "fl-an-field", rows, maxlength: MOST_CHARS, spellcheck: "true", ...attributes });
      this.field.addEventListener("input", () => {
        this.dirty = true;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.flush(), PAUSE_MS);
      });
      this.field.addEventListener("blur", () => this.flush());
    }

    flush() {
      clearTimeout(this.timer);
      if (!this.dirty) return;
      this.dirty = false;
      this.told(this.field.value);
    }

    /** The text as it is saved; what is being written stays. */
    set(text) { if (!this.dirty && this.field.value !== text) this.field.value = text; }

    /** Another item: what was not yet told was told before. */
    reset(text) {
      clearTimeout(this.timer);
      this.dirty = false;
      this.field.value = text;
    }
  }

  /** Buttons of which one (or, with `many`, several) are on: arrows move, Space or the digit chooses. */
  function options({ label, rows, many, choose, digits }) {
    const root = el("div", { class: "fl-an-options", role: many ? "group" : "radiogroup", "aria-labelledby": label });
    const nodes = rows.map(({ value, text }, i) => el("button", {
      type: "button", role: many ? "checkbox" : "radio", class: "fl-an-option", tabindex: i && !many ? "-1" : "0", onclick: () => choose(value),
    }, el("bdi", { text })));
    root.append(...nodes);
    root.addEventListener("keydown", (event) => {
      if (dom.keyTaken(event)) return;
      const at = nodes.indexOf(document.activeElement);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const digit = /^\d$/.test(event.key) ? digits(Number(event.key)) : -1;
      if (at < 0 || (!step && !rows[digit])) return;
      event.preventDefault();
      event.stopPropagation();
      const next = step ? (at + step + nodes.length) % nodes.length : digit;
      nodes[next].focus();
      if (!step) choose(rows[next].value);
    });
    const set = (value) => rows.forEach((row, i) => {
      const on = many ? (value || []).includes(row.value) : value === row.value;
      nodes[i].setAttribute("aria-checked", String(on));
      if (!many) nodes[i].tabIndex = on || (i === 0 && !rows.some((other) => other.value === value)) ? 0 : -1;
    });
    return { root, set, focus: () => nodes.find((node) => node.tabIndex === 0)?.focus() };
  }

  const makers = {
    choice: (question, label, told) => options({ label, rows: question.options.map((text) => ({ value: text, text })), choose: told, digits: (n) => n - 1 }),
    preference: (question, label, told) => options({ label, rows: PREFERENCE.filter(([value]) => value !== "tie" || question.ties).map(([value, text]) => ({ value, text })), choose: told, digits: (n) => n - 1 }),
    multi(question, label, told) {
      let now = [];
      const made = options({ label, many: true, rows: question.options.map((text) => ({ value: text, text })), digits: (n) => n - 1,
        choose: (value) => told(question.options.filter((one) => (one === value) !== now.includes(one))) });
      return { ...made, set: (value) => { now = value || []; made.set(now); } };
    },
    likert(question, label, told) {
      const rows = Array.from({ length: question.high - question.low + 1 }, (_, i) => ({ value: question.low + i, text: String(question.low + i) }));
      const made = options({ label, rows, choose: told, digits: (n) => n - question.low });
      made.root.classList.add("fl-an-likert");
      const ends = el("div", { class: "fl-an-ends" }, el("span", { text: question.low_text || "" }), el("span", { text: question.high_text || "" }));
      return { ...made, root: el("div", { class: "fl-an-scale" }, made.root, question.low_text || question.high_text ? ends : null) };
    },
    text(question, label, told) {
      const draft = new Draft({ rows: 2, told: (text) => told(text.trim() ? text : null), "aria-labelledby": label });
      return { root: draft.field, set: (value) => draft.set(value || ""), reset: (value) => draft.reset(value || ""), flush: () => draft.flush(), focus: () => draft.field.focus() };
    },
    token(question, label, told, context) {
      const use = dom.button("Use selected token", () => { const t = context.selectedToken(); if (t >= 0) told(t); });
      const nowhere = dom.button("Nowhere", () => told("nowhere"));
      const said = el("span", { class: "fl-an-value" });
      const root = el("div", { class: "fl-an-pick", role: "group", "aria-labelledby": label }, said, use, nowhere);
      const set = (value) => {
        const tokens = context.tokens();
        said.textContent = Forklore.dom.shown(value === undefined || value === null ? "Select a token of the text." : annotationWords.answer(question, value, tokens));
        nowhere.setAttribute("aria-pressed", String(value === "nowhere"));
        use.disabled = context.selectedToken() < 0;
      };
      return { root, set, focus: () => (use.disabled ? nowhere : use).focus() };
    },
  };

  class Questions {
    /** acts: {answer(name, value)}; context: {tokens(), selectedToken()} of the item's first text. */
    constructor(schema, acts, context) {
      this.parts = schema.questions.map((question) => this.part(question, acts, context));
      this.root = el("div", { class: "fl-an-questions", hidden: !this.parts.length }, this.parts.map((part) => part.root));
    }

    part(question, acts, context) {
      const label = dom.uid("fl-an-question");
      const made = makers[question.kind](question, label, (value) => acts.answer(question.name, value), context);
      const clear = el("button", { type: "button", class: "fl-link-button fl-an-clear", text: "Clear", onclick: () => { made.reset?.(null); acts.answer(question.name, null); } });
      const needed = question.required ? el("span", { class: "fl-an-needed", text: "required" }) : null;
      const title = el("div", { class: "fl-an-question-head" }, el("bdi", { class: "fl-an-question-title", id: label, text: question.title }), needed, clear);
      const help = question.help ? el("p", { class: "fl-an-soft", text: question.help }) : null;
      const root = el("section", { class: "fl-an-question", data: { question: question.name } }, title, help, made.root);
      return { question, made, clear, root };
    }

    /** reset: another item is on the desk. */
    update(answers, { reset = false, readonly = false } = {}) {
      for (const { question, made, clear, root } of this.parts) {
        const value = answers[question.name];
        if (reset && made.reset) made.reset(value);
        made.set(value);
        clear.classList.toggle("fl-an-off", value === undefined || readonly);
        clear.tabIndex = value === undefined || readonly ? -1 : 0;
        if (value !== undefined) root.classList.remove("fl-an-lacks");
      }
    }

    flush() { for (const { made } of this.parts) made.flush?.(); }

    /** Shows which required questions lack an answer, and goes to the first. */
    point(missing) {
      for (const { question, root } of this.parts) root.classList.toggle("fl-an-lacks", missing.includes(question));
      this.parts.find(({ question }) => missing.includes(question))?.made.focus();
    }
  }

  Object.assign(Forklore, { AnnotationQuestions: Questions, AnnotationDraft: Draft });
})();
