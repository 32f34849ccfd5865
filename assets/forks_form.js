// What is asked of a new analysis, and its price before it starts: how an outcome is read, draws, tokens, precision.
// Holds fields; the price comes from the server whenever they change.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const PAUSE = 350;

  class ForksForm {
    /** context: {fields: ways to read an outcome, start(fields), price(fields), say}. */
    constructor(context) {
      this.context = context;
      this.build();
    }

    build() {
      const { context } = this;
      this.reading = this.select("Outcome", context.ways.map(({ name, label }) => ({ value: name, label })), "How the outcome of an answer is read");
      this.parameter = this.input("", "text", { maxlength: 500 });
      this.draws = this.input("Draws", "number", { min: 1, max: 2000, value: 30 }, "of an alternative with a share of 30 %; others in proportion");
      this.threshold = this.input("Least probability, %", "number", { min: 0.1, max: 100, step: "any", value: 5 }, "alternatives below it are not drawn from");
      this.from = this.input("From token", "number", { min: 1 }, "the first one when empty");
      this.to = this.input("To token", "number", { min: 1 }, "the last one when empty");
      this.longest = this.input("Longest answer", "number", { min: 2 }, "tokens; 200 more than this answer when empty");
      this.until = this.input("Until bands are below, %", "number", { min: 1, max: 99, step: "any" }, "go on drawing until every band is narrower; off when empty");
      this.seed = this.input("Seed", "text", { value: "0" }, "the same seed, the same draws");
      this.estimator = this.select("Estimator", [{ value: "recursion", label: "recursion" }, { value: "every-branch", label: "every branch" }], "The recursion draws alternatives only and needs about a fourteenth of the tokens");
      this.price = el("p", { class: "fl-fk-price", role: "status" });
      this.notes = el("ul", { class: "fl-fk-warnings" });
      this.problem = el("p", { class: "fl-fk-problem", role: "alert" });
      this.go = el("button", { type: "submit", class: "fl-button fl-fk-primary", text: "Analyse" });
      const more = el("details", { class: "fl-fold fl-fk-more" }, el("summary", { text: "Range, precision, seed" }), el("div", { class: "fl-fk-fields" }, [this.from, this.to, this.longest, this.until, this.seed, this.estimator].map((field) => field.root)));
      this.root = el("form", { class: "fl-fk-form", "aria-label": "New forking analysis", novalidate: true },
        el("div", { class: "fl-fk-fields" }, [this.reading, this.parameter, this.draws, this.threshold].map((field) => field.root)), more,
        el("div", { class: "fl-fk-row" }, this.go, this.price), this.notes, this.problem);
      this.root.addEventListener("submit", (event) => {
        event.preventDefault();
        const wrong = this.wrong();
        this.problem.textContent = Forklore.dom.shown(wrong);
        if (!wrong) context.start(this.fields());
      });
      this.root.addEventListener("input", () => this.changed());
      this.showParameter();
    }

    field(label, control, hint) {
      const id = dom.uid("fl-fk-field");
      control.id = id;
      const name = el("label", { for: id, text: label });
      if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
      return { control, name, root: el("div", { class: "fl-fk-field" }, name, control, hint ? el("small", { id: `${id}-hint`, text: hint }) : null) };
    }
    input(label, type, attributes, hint) {
      return this.field(label, el("input", { type, autocomplete: "off", ...attributes }), hint);
    }
    select(label, choices, hint) {
      return this.field(label, el("select", {}, choices.map(({ value, label: text }) => el("option", { value, text }))), hint);
    }

    changed() {
      this.showParameter();
      this.problem.textContent = "";
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), PAUSE);
    }
    ask() {
      if (!this.root.isConnected || this.root.hidden) return;
      const wrong = this.wrong();
      if (wrong) this.refuse(wrong);
      else this.context.price(this.fields());
    }

    /** The first number that is none or lies outside its field's range, in the field's own words; "" where all are right. */
    wrong() {
      for (const { control, name } of [this.draws, this.threshold, this.from, this.to, this.longest, this.until]) {
        const typed = control.validity.badInput ? "what was typed" : control.value.trim();
        if (!typed) continue;
        const [value, low, high] = [Number(typed), Number(control.min), control.max === "" ? Infinity : Number(control.max)];
        const whole = control.step !== "any";
        if (Number.isFinite(value) && value >= low && value <= high && (!whole || Number.isInteger(value))) continue;
        const range = Number.isFinite(high) ? `from ${low} to ${format.count(high)}` : `of at least ${low}`;
        return `${name.textContent}: ${typed === "what was typed" ? "that is no number" : `“${typed.slice(0, 40)}” cannot be`}; give a ${whole ? "whole number" : "number"} ${range}.`;
      }
      const [from, to] = [this.from.control.value.trim(), this.to.control.value.trim()];
      return from && to && Number(from) > Number(to) ? `From token ${from} to token ${to}: the first one comes behind the last.` : "";
    }

    /** The field beside the outcome, where the chosen way needs one. */
    showParameter() {
      const way = this.context.ways.find(({ name }) => name === this.reading.control.value);
      const asked = (way && way.parameter) || "";
      this.parameter.root.hidden = !asked;
      if (asked && this.asked !== asked) {
        this.asked = asked;
        this.parameter.name.textContent = asked.charAt(0).toUpperCase() + asked.slice(1);
        this.parameter.control.value = (way && way.usual) || "";
      }
      this.way = way;
    }

    /** What is asked, as the server takes it; tokens count from 1 on the page and from 0 there. */
    fields() {
      const number = (field) => field.control.value.trim();
      const share = (field) => (number(field) === "" ? "" : String(Number(number(field)) / 100));
      const least = (field) => (number(field) === "" ? "" : String(Number(number(field)) - 1));
      return {
        extractor: this.reading.control.value, parameter: this.way && this.way.parameter ? this.parameter.control.value : "", draws: number(this.draws), end_draws: "", threshold: share(this.threshold),
        first: least(this.from), stop: number(this.to), max_tokens: number(this.longest), until: share(this.until), seed: number(this.seed), estimator: this.estimator.control.value,
      };
    }

    /** Ready for another answer: the way of reading that suits it. */
    reset(text) {
      const known = (name) => this.context.ways.some((way) => way.name === name);
      const wanted = /\d/.test(text) ? "last_number" : /^\s*(yes|no)\b/i.test(text) ? "yes_no" : "meaning";
      this.reading.control.value = known(wanted) ? wanted : "first_line";
      for (const field of [this.from, this.to, this.longest, this.until]) field.control.value = "";
      this.price.textContent = "";
      this.problem.textContent = "";
      this.showParameter();
    }

    /** One token only, seen to be asked for. */
    aim(t) {
      for (const field of [this.from, this.to]) field.control.value = String(t + 1);
      this.from.control.closest("details").open = true;
      this.ask();
    }

    showPrice(price) {
      this.notes.replaceChildren(...((price && price.warnings) || []).map((text) => el("li", { text })));
      if (!price) { this.price.textContent = ""; return; }
      const time = format.exists(price.seconds) ? `, about ${format.seconds(price.seconds)}` : "";
      const least = this.until.control.value.trim() ? "at least " : "";
      this.price.textContent = price.branches ? `${least}${format.count(price.branches)} branches, ${format.count(price.draws)} continuations, about ${format.count(price.tokens)} tokens${time}; it stops when this page is closed or reloaded, and can be gone on with` : "No token has an alternative that is likely enough: nothing would be drawn.";
    }
    refuse(sentence) {
      this.problem.textContent = Forklore.dom.shown(sentence);
      if (sentence) this.price.textContent = "";
    }
  }

  Forklore.ForksForm = ForksForm;
})();
