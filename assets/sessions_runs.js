// Choosing the items of a session: runs found in the library or given by uid, in an order, alone or in pairs.
// Each item is for work, training or a hidden check; the last two need a known answer, given elsewhere.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, load, deed, hint, field, select } = resultsParts;
  const PAGE = 20;
  const ALL = 500;
  const MOST = 10000;
  const SHOWN = 60;
  const TYPING_MS = 250;
  const PARTS = [["work", "to label"], ["training", "training"], ["check", "hidden check"]];

  const nameOf = (run) => Forklore.format.cut((run.title || run.prompt || run.answer || run.uid).replace(/\s+/g, " "), 120);

  class RunChooser {
    /** page: {call, say}; context: {known(entry, done): asks for a known answer, changed()}. */
    constructor(page, context) {
      Object.assign(this, { page, context, chosen: [], pairs: false, text: "", offset: 0, total: 0, shown: SHOWN });
      this.search = el("input", { type: "search", class: "fl-rs-input", placeholder: "Search prompts, answers, titles, notes, tags", "aria-label": "Search the library", maxlength: 200, autocomplete: "off" });
      this.search.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.find(0), TYPING_MS); });
      this.count = el("span", { class: "fl-rs-soft", role: "status" });
      this.all = dom.button("Add all", (event) => this.addAll(event.currentTarget), { hidden: true });
      this.found = el("div", { class: "fl-rs-found", onkeydown: (event) => this.step(event) });
      this.more = dom.button("Show more", () => this.find(this.offset + PAGE), { hidden: true });
      this.list = el("ol", { class: "fl-rs-items" });
      this.title = el("h4", {});
      this.below = el("div", { class: "fl-rs-line" });
      const pair = el("input", { type: "checkbox", onchange: (event) => { this.pairs = event.target.checked; this.draw(); } });
      this.pairBox = pair;
      this.root = el("div", { class: "fl-rs-two fl-rs-chooser" },
        el("div", {}, el("h4", { text: "Library" }), this.search, el("div", { class: "fl-rs-line" }, this.count, el("span", { class: "fl-rs-grow" }), this.all), this.found, this.more, this.paste()),
        el("div", {}, this.title, field("Each item is a pair of runs", pair, "Two texts side by side, for questions of preference; runs are paired in their order."), this.list, this.below));
      this.find(0);
      this.draw();
    }

    // ---------------------------------------------------------------- the library

    find(offset) {
      this.offset = offset;
      const text = this.search.value.trim();
      const host = offset ? el("div") : this.found;
      load(host, () => this.page.call("list_runs", text, "created", true, PAGE, offset), (page) => {
        const rows = page.rows.filter((run) => !run.damaged).map((run) => this.row(run));
        this.total = page.total;
        this.text = text;
        this.count.textContent = `${counted(page.total, "run")}${text ? " found" : ""}`;
        this.all.hidden = !page.total;
        this.all.textContent = page.total > ALL * 20 ? `Add the first ${format.count(ALL * 20)}` : `Add all ${format.count(page.total)}`;
        this.more.hidden = offset + PAGE >= page.total;
        if (offset) { this.found.querySelector("ul").append(...rows); rows[0]?.querySelector("input").focus(); return []; }
        return page.total ? el("ul", {}, rows) : hint(text ? "No run holds this." : "The library is empty: ask the model something in Explore first.");
      }, "Reading the library …");
    }

    row(run) {
      const box = el("input", { type: "checkbox", checked: this.chosen.some((one) => one.uid === run.uid), data: { uid: run.uid }, onchange: () => this.toggle(run, box.checked) });
      const facts = [run.model_name, counted(run.tokens, "token"), run.example ? "example" : ""].filter(Boolean).join(" · ");
      return el("li", {}, el("label", {}, box, el("span", { class: "fl-rs-run" }, el("span", { class: "fl-rs-name" }, words(nameOf(run))), el("span", { class: "fl-rs-text" }, words((run.answer || "").replace(/\s+/g, " ").slice(0, 160))), el("span", { class: "fl-rs-facts", text: facts }))));
    }

    /** Up and down go from one run to the next. */
    step(event) {
      const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!way) return;
      const boxes = [...this.found.querySelectorAll("input")];
      const next = boxes[boxes.indexOf(event.target) + way];
      if (!next) return;
      event.preventDefault();
      next.focus();
    }

    toggle(run, on) {
      if (on) this.add([{ uid: run.uid, name: nameOf(run) }]);
      else { this.chosen = this.chosen.filter((one) => one.uid !== run.uid); this.draw(); }
    }

    addAll(button) {
      const { text } = this;
      deed(button, async () => {
        const rows = [];
        for (let offset = 0; offset < Math.min(this.total, MOST); offset += ALL) rows.push(...(await this.page.call("list_runs", text, "created", true, ALL, offset)).rows);
        const have = new Set(this.chosen.map((one) => one.uid));
        this.add(rows.filter((run) => !run.damaged && !have.has(run.uid)).map((run) => ({ uid: run.uid, name: nameOf(run) })));
        for (const box of this.found.querySelectorAll("input")) box.checked = this.chosen.some((one) => one.uid === box.dataset.uid);
      }, this.page.say);
    }

    paste() {
      const area = el("textarea", { class: "fl-rs-input", rows: 3, spellcheck: "false", placeholder: "One item a line; two uids on a line make a pair" });
      const take = dom.button("Add them", () => {
        const lines = area.value.split("\n").map((line) => line.split(/[\s,;]+/).filter(Boolean)).filter((line) => line.length);
        const bad = lines.findIndex((line) => line.length > 2 || line.length !== lines[0].length);
        if (!lines.length) return area.focus();
        if (bad >= 0) return this.page.say(`Line ${bad + 1} has ${counted(lines[bad].length, "uid")}, the first has ${lines[0].length}: give one on every line, or two on every line.`, true);
        if (lines[0].length === 2) this.setPairs(true);
        this.add(lines.flat().map((uid) => ({ uid, name: uid })));
        area.value = "";
      });
      return el("details", { class: "fl-rs-paste" }, el("summary", { text: "Paste uids" }), field("Uids of runs", area, "As they stand in the address of a run, ?run=…"), take);
    }

    // ---------------------------------------------------------------- what is chosen

    setPairs(on) {
      this.pairs = this.pairBox.checked = on;
      this.draw();
    }

    add(entries) {
      this.chosen.push(...entries.map((entry) => ({ part: "work", expected: null, ...entry })));
      this.draw();
    }

    /** Items as [first, second?] of what is chosen. */
    get items() {
      if (!this.pairs) return this.chosen.map((one) => [one]);
      return Array.from({ length: Math.ceil(this.chosen.length / 2) }, (_, i) => this.chosen.slice(2 * i, 2 * i + 2));
    }

    draw() {
      const held = this.list.contains(document.activeElement) ? document.activeElement.dataset.act : "";
      const { items } = this;
      this.title.textContent = items.length ? `Chosen: ${counted(items.length, this.pairs ? "pair" : "item")}` : "Chosen: nothing yet";
      this.list.replaceChildren(...items.slice(0, this.shown).map((item, i) => this.item(item, i)));
      const rest = items.length - this.shown;
      this.below.replaceChildren(...[items.length ? null : hint("Tick runs on the left; they are listed here in their order."), rest > 0 ? dom.button(`Show ${format.count(Math.min(rest, 200))} more`, () => { this.shown += 200; this.draw(); }) : null, items.length > 1 ? dom.button("Remove all", () => this.clear()) : null].filter(Boolean));
      if (held) [...this.list.querySelectorAll("[data-act]")].find((node) => node.dataset.act === held)?.focus();
      this.context.changed?.();
    }

    clear() {
      const before = this.chosen;
      this.chosen = [];
      this.draw();
      for (const box of this.found.querySelectorAll("input")) box.checked = false;
      this.page.say("Nothing is chosen any more.", { label: "Undo", run: () => { this.chosen = before; this.draw(); } });
    }

    item(item, i) {
      const [first] = item;
      const act = (text, key, run, label, more) => dom.button(text, run, { class: "fl-button fl-rs-small", "aria-label": label, title: label, data: { act: `${key} ${i}` }, ...more });
      const part = select(PARTS, first.part, (value) => { first.part = value; this.draw(); }, { "aria-label": `What item ${i + 1} is for`, data: { act: `part ${i}` } });
      part.classList.add("fl-rs-small");
      const known = first.part === "work" ? null : act(first.expected ? "Known answer ✓" : "Give the known answer", "known", () => this.context.known(item, () => this.draw()), `Known answer of item ${i + 1}`, { class: `fl-button fl-rs-small${first.expected ? "" : " fl-rs-wanted"}` });
      const size = this.pairs ? 2 : 1;
      const move = (way) => {
        const from = i * size;
        const taken = this.chosen.splice(from, size);
        this.chosen.splice(from + way * size, 0, ...taken);
        this.draw();
        this.list.children[i + way]?.querySelector(`[data-act^="${way < 0 ? "up" : "down"}"]`)?.focus();
      };
      return el("li", {}, el("div", { class: "fl-rs-names" }, item.map((one) => el("span", { class: "fl-rs-name" }, words(one.name))), this.pairs && item.length < 2 ? el("span", { class: "fl-rs-warn", text: "needs a second run" }) : null),
        el("span", { class: "fl-rs-acts" }, part, known, act("↑", "up", () => move(-1), `Item ${i + 1} one up`, { disabled: i === 0 }), act("↓", "down", () => move(1), `Item ${i + 1} one down`, { disabled: i === this.items.length - 1 }), act("×", "drop", () => this.drop(i, size), `Remove item ${i + 1}`)));
    }

    drop(i, size) {
      const gone = this.chosen.splice(i * size, size);
      for (const box of this.found.querySelectorAll("input")) if (gone.some((one) => one.uid === box.dataset.uid)) box.checked = this.chosen.some((one) => one.uid === box.dataset.uid);
      this.draw();
    }

    /** What must be mended, as a sentence; "" where nothing. */
    problem() {
      const { items } = this;
      if (!items.length) return "Choose at least one run to label.";
      if (items.length > MOST) return `A session holds at most ${format.count(MOST)} items; ${format.count(items.length)} are chosen.`;
      if (this.pairs && items.at(-1).length < 2) return "The last pair needs a second run: add one, or remove the run.";
      if (!items.some(([first]) => first.part === "work")) return "Every item is for training or checks: leave at least one to label.";
      const without = items.findIndex(([first]) => first.part !== "work" && !first.expected);
      return without < 0 ? "" : `Item ${without + 1} is for ${items[without][0].part === "check" ? "a check" : "training"}: give its known answer.`;
    }

    /** As the server takes them. */
    get value() {
      return this.items.map((item) => {
        const uids = item.map((one) => one.uid);
        const [{ part, expected }] = item;
        return part === "work" ? (uids.length === 1 ? uids[0] : uids) : { runs: uids, part, expected };
      });
    }
  }

  Forklore.RunChooser = RunChooser;
})();
