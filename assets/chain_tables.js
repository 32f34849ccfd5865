// The chain and its variants as tables: sorted by any column, a row chooses its token. What a variant does to the
// answer also stands as a bar on a scale of factors.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chainWords } = Forklore;
  const { el } = dom;
  const LEAST = 1e-12;
  const MOST = 4; // powers of ten that a bar shows; one beyond them is cut

  /** A sortable table. columns: [{name, label, title?, number?, first?: "down", value(row), cell(row)}]; rows carry `t`. */
  class SortedTable {
    constructor({ label, columns, sort, select }) {
      Object.assign(this, { columns, sort, select, rows: [] });
      this.head = el("tr");
      this.body = el("tbody");
      this.root = el("div", { class: "fl-table-frame fl-ch-frame", tabindex: "0", role: "region", "aria-label": label }, el("table", { class: "fl-table" }, el("thead", {}, this.head), this.body));
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest("tr");
        if (row) select(Number(row.dataset.t));
      });
    }

    show(rows) {
      this.rows = rows;
      this.draw();
    }

    ordered() {
      const { name, down } = this.sort;
      const { value } = this.columns.find((column) => column.name === name);
      const known = (v) => v !== null && v !== undefined && !Number.isNaN(v);
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
      // what has no value comes last, whichever way the others are sorted
      return this.rows.map((row, i) => ({ row, i, key: value(row) })).sort((a, b) => known(b.key) - known(a.key) || (known(a.key) ? (down ? compare(b.key, a.key) : compare(a.key, b.key)) : 0) || a.i - b.i).map(({ row }) => row);
    }

    draw() {
      const held = this.root.contains(document.activeElement) ? document.activeElement : null;
      const back = held && { column: held.dataset.column, key: held.closest("tr")?.dataset.key };
      this.head.replaceChildren(...this.columns.map((column) => this.header(column)));
      this.body.replaceChildren(...this.ordered().map((row) => el("tr", { data: { t: row.t, key: row.key ?? row.t } }, this.columns.map((column) => el("td", { class: column.number ? "fl-number" : "" }, column.cell(row))))));
      if (back?.column) [...this.head.querySelectorAll("button")].find((node) => node.dataset.column === back.column)?.focus();
      else if (back?.key) [...this.body.children].find((row) => row.dataset.key === back.key)?.querySelector("button")?.focus();
      this.mark(this.chosen);
    }

    header({ name, label, title, number, first }) {
      const on = this.sort.name === name;
      return el("th", { scope: "col", class: number ? "fl-number" : "", "aria-sort": on ? (this.sort.down ? "descending" : "ascending") : undefined, title },
        el("button", { type: "button", class: "fl-sort", data: { column: name }, onclick: () => { this.sort = { name, down: on ? !this.sort.down : first === "down" }; this.draw(); } },
          label, el("span", { class: "fl-sort-mark", "aria-hidden": "true", text: on ? (this.sort.down ? "↓" : "↑") : "" })));
    }

    mark(t) {
      this.chosen = t;
      for (const row of this.body.children) row.classList.toggle("fl-row-pinned", Number(row.dataset.t) === t);
    }
  }

  const plain = (value) => el("span", { class: format.exists(value) ? "" : "fl-dim", text: format.number(value, 4) });
  const probability = (value) => el("span", { class: format.exists(value) ? "" : "fl-dim", text: chainWords.figure(value) });

  /** Times the original as a bar: to the right more of the answer, to the left less; most: the largest factor, as a logarithm. */
  function factorBar(ratio, most) {
    const length = format.exists(ratio) ? Math.min(1, Math.abs(Math.log10(Math.max(ratio, LEAST))) / most) * 50 : 0;
    const more = ratio > 1;
    return el("span", { class: "fl-ch-factor", "aria-hidden": "true" }, length ? el("i", { class: more ? "fl-ch-more" : "fl-ch-less", style: { left: `${more ? 50 : 50 - length}%`, width: `${length}%` } }) : null);
  }

  class ChainTables {
    constructor(context) {
      this.context = context;
      const { data } = context;
      const number = (t) => el("button", { type: "button", class: "fl-link-button", text: format.count(t + 1), "aria-label": `Show token ${t + 1}` });
      const piece = (text) => el("span", { class: "fl-table-piece" }, chainWords.word(text));
      const select = (t) => context.select(t, true);
      const token = { name: "t", label: "Token", number: true, value: (row) => row.t, cell: (row) => number(row.t) };
      const figure = (name, label, title, more) => ({ name, label, title, number: true, first: "down", value: (row) => (format.exists(row[name]) ? row[name] : null), cell: (row) => plain(row[name]), ...more });
      this.chain = new SortedTable({ label: "Tokens of the chain", select, sort: { name: "t", down: false }, columns: [
        token, { name: "text", label: "Text", value: (row) => data.label(row.t), cell: (row) => piece(data.pieces[row.t]) },
        figure("score", "Score", "attention that reaches the token from what was found before it, summed; may exceed 1"), figure("similarity", "Similarity", "cosine between its last hidden state and the answer's"),
        { name: "kept", label: "Kept", first: "down", value: (row) => Number(row.kept), cell: (row) => (row.kept ? "kept" : el("span", { class: "fl-dim", text: "not kept" })) },
        figure("hop", "Hop", "1: found from the answer itself, 2: from those, …", { first: "up" }), figure("surprisal", "Surprisal", "nats: how unexpected the token was"),
      ] });
      this.variants = new SortedTable({ label: "Variants of the chain", select, sort: { name: "p", down: true }, columns: [
        token, { name: "text", label: "Text → substitute", value: (row) => data.label(row.t), cell: (row) => el("span", { class: "fl-ch-swap" }, piece(data.pieces[row.t]), el("span", { class: "fl-dim", text: " → " }), piece(row.text)) },
        figure("p", "Its probability", "of the substitute, in place of the token", { cell: (row) => format.percent(row.p) }), figure("answer", "P(answer)", "probability of the answer behind the substitute; nothing in between is written anew", { cell: (row) => this.pending(row.answer) || probability(row.answer) }),
        figure("ratio", "Times the original", "P(answer) behind the substitute, by P(answer) as it is", { cell: (row) => this.pending(row.answer) || el("span", { class: "fl-ch-times" }, factorBar(row.ratio, this.most), el("span", { class: format.exists(row.ratio) ? "" : "fl-dim", text: format.exists(row.ratio) ? `× ${chainWords.figure(row.ratio)}` : format.NA })) }),
      ] });
      this.chainPart = el("section", { class: "fl-ch-block" }, el("h4", { text: "The chain" }), this.chain.root);
      this.note = el("p", { class: "fl-ch-note" });
      this.variantPart = el("section", { class: "fl-ch-block" }, el("h4", { text: "Were one token another one" }), this.note, this.variants.root);
    }

    /** What stands for a figure that is still to come; null for one that is there or does not exist. */
    pending(value) {
      return !format.exists(value) && this.context.data.running ? el("span", { class: "fl-dim", text: "…" }) : null;
    }

    /** The document's tables anew. */
    show() {
      const { data } = this.context;
      this.chainPart.hidden = !data.rows.length;
      this.variantPart.hidden = !data.variants.length;
      const logs = data.variants.filter(({ ratio }) => format.exists(ratio)).map(({ ratio }) => Math.abs(Math.log10(Math.max(ratio, LEAST))));
      this.most = Math.min(MOST, Math.max(0.1, ...logs));
      const unknown = data.variants.length - logs.length;
      this.note.textContent = `One kept token each is replaced and nothing is written anew: how probable is the same answer still? Bars go out from × 1 on a scale of factors, to × ${format.number(10 ** this.most, 2)} and its inverse.${unknown && data.running ? ` ${format.count(unknown)} to come.` : ""}`;
      this.chain.show(data.rows);
      this.variants.show(data.variants.map((row) => ({ ...row, key: `${row.t} ${row.id}` })));
    }

    update() {
      this.chain.mark(this.context.selected);
      this.variants.mark(this.context.selected);
    }
  }

  Forklore.ChainTables = ChainTables;
})();
