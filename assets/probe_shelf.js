// The probes that are kept, newest first: one click opens one, goes on with it, or moves it to the bin with Undo.
// Knows the JSON of ui/probe_shelf.py and which probe is on show; does not know where probes are kept.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const FIRST = 5;
  const PAGE = 50;
  const MOST = 500;

  const words = (text) => { const node = el("bdi"); Forklore.fillText(node, text); return node; };
  const counted = (n, word) => (n === 1 ? `1 ${word}` : `${format.count(n)} ${word}s`);

  /** How far a probe got, in words. */
  function standing({ state, done, total }) {
    const of = total ? `${format.count(done)} of ${counted(total, "answer")}` : counted(done, "answer");
    return { drawing: "being drawn", finished: `finished, ${counted(done, "answer")}`, stopped: `stopped after ${of}`, failed: `broke off after ${of}` }[state] || state;
  }

  class Shelf {
    constructor(root, trigger) {
      Object.assign(this, { root, trigger, all: false, doc: null, offer: null });
      this.title = el("h3", {});
      this.list = el("ul", { class: "fl-ps-list" });
      this.gone = el("div", { class: "fl-ps-gone", role: "status", hidden: true });
      this.empty = el("p", { class: "fl-ps-empty", text: "No probe is kept yet. A probe puts each value into the slot of the template, answers every prompt with the same luck, and shows how often the answer changes. Press Run probe to draw the first one; it is kept here." });
      this.more = dom.button("", () => this.showMore());
      root.replaceChildren(this.title, this.gone, this.empty, this.list, this.more);
      this.list.addEventListener("keydown", (event) => this.step(event));
      Forklore.probeOnShow.on(() => this.mark());
    }

    show(doc) {
      const held = document.activeElement && this.list.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.uid : null;
      this.doc = doc;
      this.title.textContent = doc.total ? `Kept probes (${format.count(doc.total)})` : "Kept probes";
      this.empty.hidden = doc.total > 0;
      if (doc.restored && doc.rows.slice(FIRST).some((row) => row.uid === doc.restored)) this.all = true;
      this.draw();
      this.sayGone(doc);
      const wanted = doc.restored || (doc.binned ? null : held);
      if (wanted) this.rowOf(wanted)?.querySelector("button:not(:disabled)")?.focus();
    }

    rowOf(uid) { return [...this.list.children].find((row) => row.dataset.uid === uid); }

    draw() {
      const shown = this.all ? this.doc.rows : this.doc.rows.slice(0, FIRST);
      this.list.replaceChildren(...shown.map((row) => this.row(row)));
      const rest = this.doc.total - shown.length;
      const hidden = this.doc.rows.length - shown.length;
      this.more.hidden = rest <= 0 || (!hidden && this.doc.rows.length >= MOST);
      this.more.textContent = hidden ? `Show ${format.count(hidden)} more` : `Show ${format.count(Math.min(rest, PAGE))} more`;
      this.mark();
    }

    row(row) {
      const facts = row.problem ? [row.problem] : [counted(row.runs, "run"), row.field.toLowerCase(), standing(row)];
      facts.push(format.date(row.created));
      const name = el("span", { class: "fl-ps-template" }, row.template ? words(row.template) : "A damaged probe");
      const values = el("span", { class: "fl-ps-values" }, row.values.flatMap((value, i) => [i ? " · " : "", words(value)]));
      const open = el("button", { type: "button", class: "fl-ps-open", disabled: Boolean(row.problem), onclick: () => this.trigger("probe_open", { uid: row.uid }) },
        name, values, el("span", { class: "fl-ps-facts", text: facts.filter(Boolean).join(" · ") }));
      const about = row.template ? `the probe “${format.cut(format.label(row.template), 60)}”` : "the damaged probe";
      const goOn = !row.problem && (row.state === "stopped" || row.state === "failed") ? dom.button("Go on", () => { if (!Forklore.probeOnShow.state.busy) this.trigger("probe_resume", { uid: row.uid }); }, { "aria-label": `Go on with ${about}`, data: { goesOn: "1" } }) : null;
      const remove = row.state !== "drawing" ? dom.button("Delete", () => this.trigger("probe_delete", { uid: row.uid }), { "aria-label": `Delete ${about}` }) : null;
      return el("li", { data: { uid: row.uid } }, open, el("span", { class: "fl-ps-acts" }, goOn, remove));
    }

    /** Which row is on show, and whether this page can go on with another one: a button keeps its focus meanwhile. */
    mark() {
      const { busy } = Forklore.probeOnShow.state;
      for (const button of this.list.querySelectorAll("[data-goes-on]")) {
        if (busy) button.setAttribute("aria-disabled", "true");
        else button.removeAttribute("aria-disabled");
      }
      for (const row of this.list.children) {
        const here = row.dataset.uid === Forklore.probeOnShow.state.uid;
        row.classList.toggle("fl-ps-here", here);
        if (here) row.firstChild.setAttribute("aria-current", "true");
        else row.firstChild.removeAttribute("aria-current");
      }
    }

    /** The offer of Undo stays, whatever list comes, until the probe is back or another one is deleted. */
    sayGone({ binned, restored, rows }) {
      const back = this.offer && (restored === this.offer.uid || rows.some((row) => row.uid === this.offer.uid));
      if (!binned && !back) return;
      this.offer = binned || null;
      this.gone.hidden = !binned;
      if (!binned) { this.gone.replaceChildren(); return; }
      const what = binned.whole ? "Moved to the bin with " : "The damaged probe is deleted for good; moved to the bin: ";
      const said = el("span", {}, what, counted(binned.runs.length, "run"), binned.template ? ": " : "", words(binned.template));
      const undo = binned.runs.length ? dom.button("Undo", () => this.trigger("probe_restore", { uid: binned.uid, runs: binned.runs, whole: binned.whole })) : null;
      this.gone.replaceChildren(said, undo || "");
      if (undo) undo.focus();
      else this.list.querySelector("button:not(:disabled)")?.focus();
    }

    showMore() {
      if (this.all || this.doc.rows.length <= FIRST) this.trigger("probe_list", { limit: Math.min(MOST, this.doc.rows.length + PAGE) });
      this.all = true;
      const next = this.list.children.length;
      this.draw();
      this.list.children[next]?.querySelector("button")?.focus();
    }

    /** Up and down go from one probe to the next. */
    step(event) {
      const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!way || dom.keyTaken(event)) return;
      const rows = [...this.list.children];
      const at = rows.indexOf(event.target.closest("li"));
      const next = rows[at + way]?.querySelector("button:not(:disabled)");
      if (!next) return;
      event.preventDefault();
      next.focus();
    }
  }

  Forklore.mountProbeShelf = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-probe", "fl-ps");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Kept probes");
    let shelf = null;
    const draw = () => {
      root.hidden = !props.value;
      if (!props.value) return;
      shelf = shelf || new Shelf(root, trigger);
      shelf.show(JSON.parse(props.value));
    };
    watch("value", draw);
    draw();
  };
})();
