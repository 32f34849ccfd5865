// The settings of a session as a form, each with one line that says what it does; and told as a list.
// What is allowed is decided by the server; only slips of the hand are caught here.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { field, input, select, hint, counted } = resultsParts;

  const DEFAULTS = { overlap: 2, order: "shuffled", order_score: "", seed: 0, blind: true, show_scores: false, check_every: 0, opens_at: null, closes_at: null, quiz: [] };
  const ORDERS = [["shuffled", "shuffled for each person"], ["fixed", "as listed"], ["uncertain", "most uncertain first"]];

  /** A moment as the browser's own field wants it, and back. */
  const toField = (iso) => {
    if (!iso) return "";
    const when = new Date(iso);
    return Number.isNaN(when.getTime()) ? "" : new Date(when.getTime() - when.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  };
  const fromField = (text) => (text ? new Date(text).toISOString() : null);

  class SettingsForm {
    /** options: {scores: [{name, title}], made: the session exists and its order is frozen}. */
    constructor(values, { scores = [], made = false } = {}) {
      this.values = { ...DEFAULTS, ...values };
      this.made = made;
      this.root = el("div", { class: "fl-rs-form" });
      this.quiz = (this.values.quiz || []).map((one) => ({ ...one, options: [...one.options] }));
      const { values: v } = this;
      const set = (name) => (value) => { v[name] = value; this.reveal(); };
      const check = (name) => el("input", { type: "checkbox", checked: Boolean(v[name]), onchange: (event) => set(name)(event.target.checked) });
      const number = (name, more) => input({ type: "number", min: 0, step: 1, value: v[name], ...more }, (node) => set(name)(Math.round(Number(node.value)) || 0));
      const when = (name) => input({ type: "datetime-local", value: toField(v[name]) }, (node) => set(name)(fromField(node.value)));
      this.score = field("Order by", select([["", "choose a score"], ...scores.map((one) => [one.name, one.title])], v.order_score, set("order_score")), "Items whose run is most uncertain by this score come first.");
      this.seed = field("Seed of the order", number("seed"), "The same seed gives each person the same order again.");
      this.scores = field("Show scores", check("show_scores"), "Tints tokens by uncertainty while people label; it draws their eyes, so the labels are not independent of the scores.");
      this.questions = el("div", {});
      this.root.append(...[
        field("People an item", number("overlap", { max: 100 }), "How many people label each item; 0: everybody labels every item."),
        made ? null : field("Order", select(ORDERS, v.order, set("order")), "In which order items are dealt; training items always come first."), made ? null : this.score, made ? null : this.seed,
        field("A hidden check every", (this.every = number("check_every", { max: 10000 })), "After so many items one with a known answer, looking like any other; 0: none."),
        field("Opens", when("opens_at"), "Before this nobody can label; empty: at once."), field("Closes", when("closes_at"), "After this nobody can save; empty: when you close it."),
        field("Blind", check("blind"), "Nobody sees scores or anything of the others: labels, names, counts."), this.scores,
        el("fieldset", { class: "fl-rs-quiz" }, el("legend", { text: "Quiz on the guidelines" }), hint("Asked before the first item; only who answers all of it rightly can begin."), this.questions, dom.button("Add a question", () => { this.quiz.push({ question: "", options: ["", ""], answer: "" }); this.drawQuiz(true); })),
      ].filter(Boolean));
      this.drawQuiz();
      this.reveal();
    }

    reveal() {
      this.score.hidden = this.values.order !== "uncertain";
      this.scores.hidden = this.values.blind;
      this.seed.hidden = this.values.order !== "shuffled";
    }

    drawQuiz(last) {
      this.questions.replaceChildren(...this.quiz.map((one, i) => {
        const name = dom.uid("fl-rs-quiz");
        const option = (text, k) => el("span", { class: "fl-rs-line" }, el("input", { type: "radio", name, checked: one.answer === text && text !== "", "aria-label": `Option ${k + 1} of question ${i + 1} is right`, onchange: () => { one.right = k; one.answer = one.options[k]; } }),
          input({ value: text, maxlength: 300, "aria-label": `Option ${k + 1} of question ${i + 1}` }, (node) => { const right = one.right === k || (one.answer === one.options[k] && one.answer !== ""); one.options[k] = node.value.trim(); if (right) one.answer = one.options[k]; }));
        return el("div", { class: "fl-rs-card" }, el("div", { class: "fl-rs-line" }, input({ value: one.question, maxlength: 500, placeholder: "Question", "aria-label": `Question ${i + 1}` }, (node) => { one.question = node.value.trim(); }), dom.button("Remove", () => { this.quiz.splice(i, 1); this.drawQuiz(); }, { "aria-label": `Remove question ${i + 1}` })),
          hint("Options; mark the right one."), one.options.map(option), dom.button("Add an option", () => { one.options.push(""); this.drawQuiz(); }, { class: "fl-button fl-rs-small" }));
      }));
      if (last) this.questions.lastElementChild?.querySelector("input")?.focus();
    }

    /** What must be mended before this can be sent, as a sentence; "" where nothing. */
    problem() {
      const { values: v } = this;
      if (v.order === "uncertain" && !v.order_score && !this.made) return "Most uncertain first: choose the score that decides it.";
      if (v.opens_at && v.closes_at && v.opens_at >= v.closes_at) return "The session would close before it opens: change one of the two times.";
      const bad = this.quiz.findIndex((one) => !one.question || one.options.filter(Boolean).length < 2 || !one.options.includes(one.answer) || !one.answer);
      return bad < 0 ? "" : `Question ${bad + 1} of the quiz needs its words, two options and a mark at the right one.`;
    }

    value() {
      // blind hides scores, too
      return { ...this.values, show_scores: this.values.show_scores && !this.values.blind, quiz: this.quiz.map(({ question, options, answer }) => ({ question, options: options.filter(Boolean), answer })) };
    }
  }

  /** Settings told as pairs of a name and words. */
  Forklore.settingsTold = (v) => {
    const order = { shuffled: "shuffled for each person", fixed: "as listed", uncertain: `most uncertain first, by ${v.order_score}` }[v.order] || v.order;
    return [
      ["People an item", v.overlap ? format.count(v.overlap) : "everybody"], ["Order", order || "as listed"], ["Blind", v.blind === false ? "no: others' labels can be seen" : "yes"],
      ["Scores", v.show_scores ? "shown while labelling" : "hidden while labelling"], ["Hidden checks", v.check_every ? `one every ${counted(v.check_every, "item")}` : "none"],
      ["Opens", v.opens_at ? format.date(v.opens_at) : "at once"], ["Closes", v.closes_at ? format.date(v.closes_at) : "when it is closed"], ["Quiz", v.quiz?.length ? counted(v.quiz.length, "question") : "none"],
    ];
  };
  Forklore.SettingsForm = SettingsForm;
})();
