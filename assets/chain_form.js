// Which answer is traced, and how: what the finders found or what the reader selected, one button, settings behind it, and
// how far a trace is. Holds fields; what they start is decided by the view.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chainWords } = Forklore;
  const { el } = dom;
  const MINE = "mine";
  // name, label, hint, least, most, step
  const NUMBERS = [
    ["heads", "Heads a row", "the most focused ones of all layers, for each place", 1, 4096, 1], ["most_a_round", "Tokens a hop may add", "for each token, the strongest first", 1, 50, 1],
    ["threshold", "Least score", "once the chain is long enough", 0, 10, "any"], ["minimum", "Least length", "tokens, besides the answer's", 0, 500, 1],
    ["scan_depth", "Scan depth", "tokens of a row that are looked at", 1, 500, 1], ["similar", "Kept tokens", "those most like the answer", 1, 100, 1],
    ["floor", "Least similarity", "cosine", -1, 1, "any"], ["top", "Substitutes a token", "the most likely ones", 1, 5, 1],
    ["least_probability", "Least probability", "of a substitute", 0, 1, "any"], ["more", "Further substitutes", "tried, besides one for each kept token", 0, 100, 1],
  ];

  class ChainForm {
    /** context: {data, marked, here, trace(fields), stop()}; others: a choice of earlier traces, to stand beside the settings. */
    constructor(context, others) {
      this.context = context;
      const id = dom.uid("fl-ch-ask");
      this.answer = el("select", { id, class: "fl-ch-select" });
      this.answerPart = el("span", { class: "fl-ch-wish" }, el("label", { for: id, text: "Answer" }), this.answer);
      this.go = el("button", { type: "submit", class: "fl-button fl-ch-primary", text: "Trace this answer" });
      this.reason = el("span", { class: "fl-ch-reason", id: `${id}-reason` });
      this.state = el("span", { class: "fl-ch-state", role: "status" });
      this.problem = el("p", { class: "fl-ch-problem", role: "alert" });
      this.root = el("form", { class: "fl-ch-form", "aria-label": "Trace an answer", novalidate: true }, el("div", { class: "fl-ch-row fl-ch-ask" }, this.answerPart, this.go, this.reason, this.state), el("div", { class: "fl-ch-second" }, this.settings(), others), this.problem);
      this.answer.addEventListener("change", () => { this.choice = this.answer.value; this.context.aim(); });
      this.root.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    }

    settings() {
      const field = (label, control, hint) => {
        control.id = dom.uid("fl-ch-field");
        if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
        return el("div", { class: "fl-ch-field" }, el("label", { for: control.id, text: label }), control, hint ? el("small", { id: `${control.id}-hint`, text: hint }) : null);
      };
      this.language = el("select");
      this.reduction = el("select", {}, el("option", { value: "max", text: "maximum" }), el("option", { value: "mean", text: "mean" }));
      this.words = el("input", { type: "text", autocomplete: "off", maxlength: 2000 });
      this.numbers = new Map(NUMBERS.map(([name, , , min, max, step]) => [name, el("input", { type: "number", autocomplete: "off", min, max, step })]));
      const fields = NUMBERS.map(([name, label, hint]) => field(label, this.numbers.get(name), hint));
      return el("details", { class: "fl-fold fl-ch-settings" }, el("summary", { text: "Settings" }),
        el("div", { class: "fl-ch-fields" }, field("Language of stop words", this.language, "words that say little are left out"), field("More stop words", this.words, "separated by blanks"), field("Heads are reduced by their", this.reduction, "over the chosen heads, for each earlier token"), fields[0]),
        el("details", { class: "fl-fold fl-ch-moresettings" }, el("summary", { text: "More" }), el("div", { class: "fl-ch-fields" }, fields.slice(1))));
    }

    /** Fields as the document's trace had them. */
    fill() {
      const { languages = [], settings = {} } = this.context.data.header;
      this.language.replaceChildren(...languages.map(({ name, label }) => el("option", { value: name, text: label })));
      this.language.value = settings.language ?? languages[0]?.name ?? "";
      this.reduction.value = settings.reduction || "max";
      this.words.value = [settings.extra_stop_words || []].flat().join(" ");
      for (const [name, box] of this.numbers) box.value = settings[name] ?? "";
      this.problem.textContent = "";
    }

    // ---- the answer

    /** What may be traced: found ones, what was traced, what the reader selected; [{value, label, span}]. */
    choices() {
      const { data, marked } = this.context;
      const where = (span) => chainWords.range(span);
      const said = (span) => `‘${chainWords.brief(chainWords.textOf(data, span))}’`;
      const list = (data.header.found || []).map(({ label, start, stop }, i) => ({ value: `found ${i}`, span: [start, stop], label: `${label}: ${said([start, stop])}, ${where([start, stop])}` }));
      const same = (a, b) => a && b && a[0] === b[0] && a[1] === b[1];
      if (data.span && !list.some(({ span }) => same(span, data.span))) list.unshift({ value: "traced", span: data.span, label: `traced: ${said(data.span)}, ${where(data.span)}` });
      if (marked) list.push({ value: MINE, span: marked, label: `selected: ${said(marked)}, ${where(marked)}` });
      return list;
    }

    /** Half-open span of the chosen answer; null for none. */
    get span() {
      return this.list?.find(({ value }) => value === this.choice)?.span || null;
    }

    /** Chooses what the reader has just selected. */
    chooseMine() {
      this.choice = MINE;
      this.update();
    }
    /** Chooses what the document is about. */
    chooseOwn() {
      const { data } = this.context;
      const own = this.choices().find(({ span, value }) => value !== MINE && data.span && span[0] === data.span[0] && span[1] === data.span[1]);
      this.choice = own ? own.value : "";
    }

    update() {
      const { data } = this.context;
      this.list = this.choices();
      if (!this.list.some(({ value }) => value === this.choice)) this.choice = this.list[0]?.value || "";
      const key = JSON.stringify(this.list);
      if (key !== this.listed) this.answer.replaceChildren(...this.list.map(({ value, label }) => el("option", { value, text: label })));
      this.listed = key;
      this.answer.value = this.choice;
      this.answerPart.hidden = !this.list.length;
      this.go.disabled = !this.span || data.running;
      this.go.classList.toggle("fl-ch-again", data.traced);
      this.showState();
    }

    /** Why the button rests, what a trace costs, or how far it is: always in the same place. */
    showState() {
      const { context } = this;
      const { standing, header } = context.data;
      this.reason.textContent = this.span || context.data.running ? "" : "Select the answer's tokens in the text below: with the mouse, or Shift and the arrow keys.";
      if (this.reason.textContent) this.go.setAttribute("aria-describedby", this.reason.id);
      else this.go.removeAttribute("aria-describedby");
      if (context.data.running) {
        const bar = el("progress", standing.total ? { max: standing.total, value: standing.done, "aria-label": "How far the trace is" } : { "aria-label": "How far the trace is" });
        if (!this.stop?.isConnected) this.stop = dom.button("Stop", () => context.stop());
        if (this.state.contains(this.stop)) { this.bar.replaceWith(bar); this.told.textContent = Forklore.dom.shown(standing.message); }
        else this.state.replaceChildren(bar, (this.told = el("span", { text: standing.message })), this.stop);
        this.bar = bar;
        return;
      }
      const words = { failed: "It broke off.", stopped: "Stopped." }[standing?.state];
      const said = this.span || standing?.state !== "idle" ? standing?.message : ""; // the reason says it already
      const parts = [[words, said].filter(Boolean).join(" "), this.span && !context.data.traced ? price(header.price) : "", header.note || ""].filter(Boolean);
      this.state.replaceChildren(...parts.map((text) => el("span", { text })));
    }

    // ---- what is asked

    /** The first number that is none or outside its range, in words; "" where all are right. */
    wrong() {
      for (const [name, label, , low, high, step] of NUMBERS) {
        const box = this.numbers.get(name);
        const typed = box.validity.badInput ? "that" : box.value.trim();
        if (!typed) continue;
        const value = Number(typed);
        if (!box.validity.badInput && Number.isFinite(value) && value >= low && value <= high && (step === "any" || Number.isInteger(value))) continue;
        return `${label}: ${typed === "that" ? "that is no number" : `“${typed.slice(0, 40)}” cannot be`}; give a ${step === "any" ? "number" : "whole number"} from ${format.number(low)} to ${format.count(high)}.`;
      }
      return "";
    }

    fields() {
      const numbers = [...this.numbers].filter(([, box]) => box.value.trim() !== "").map(([name, box]) => [name, Number(box.value)]);
      return { start: this.span[0], stop: this.span[1], language: this.language.value, reduction: this.reduction.value, ...Object.fromEntries(numbers), extra_stop_words: this.words.value.trim() };
    }

    send() {
      if (this.go.disabled) return;
      this.problem.textContent = Forklore.dom.shown(this.wrong());
      if (!this.problem.textContent) this.context.trace(this.fields());
    }
  }

  /** What a trace costs, in words. */
  function price(cost) {
    if (!cost || !cost.rows) return "";
    return `one pass over ${format.count(cost.rows)} tokens, then up to ${format.count(cost.variants)} substitutes, each read again up to the answer`;
  }

  Forklore.ChainForm = ChainForm;
})();
