// One run as a row of the library: what it says, its chips and its figures.
// Draws, and finds the reader's place again; what a press of its buttons means is the list's business.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout, scale } = Forklore;
  const { el } = dom;

  const KINDS = { generation: "generated", branch: "branch", counterfactual: "counterfactual", import: "imported", scored: "scored text" };
  const STATUSES = { finished: "finished", stopped: "stopped", failed: "failed", imported: "imported", scored: "scored" };
  const MINUTE = 60e3;
  const DAY = 864e5;

  /** Text exactly as it is: what is invisible or changes direction becomes a mark. breaks: line breaks stay breaks. */
  function exact(tag, className, text, breaks = false) {
    const node = el(tag, { class: className, dir: "auto", translate: "no" });
    for (const part of format.segments(text || "")) {
      if (part.mark && !(breaks && part.text)) node.append(el("span", { class: "fl-lib-mark", text: part.mark, title: part.title }));
      else node.append(part.text);
    }
    return node;
  }

  /** What a run is called in labels and messages, at most 60 characters. */
  function nameOf(run) {
    return format.cut(format.label((run.title || run.prompt || run.answer || run.uid).trim()), 60);
  }

  /** How long ago, as seen from the moment `now` (milliseconds). */
  function ago(iso, now) {
    const then = new Date(iso);
    const age = now - then.getTime();
    if (Number.isNaN(age)) return "";
    if (age < -MINUTE || age >= 7 * DAY) {
      const sameYear = then.getFullYear() === new Date(now).getFullYear();
      return then.toLocaleDateString(undefined, { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
    }
    if (age < MINUTE) return "just now";
    if (age < 60 * MINUTE) return `${Math.floor(age / MINUTE)} min ago`;
    if (age < DAY) return `${Math.floor(age / (60 * MINUTE))} h ago`;
    const days = Math.floor(age / DAY);
    return days === 1 ? "yesterday" : `${days} days ago`;
  }

  /** Low and high of a score's little bars: its own range where it has one, else that of the runs on show. */
  function spread(entry, rows) {
    const values = rows.map((run) => run.run_scores[entry.name]).filter(format.exists);
    values.sort((a, b) => a - b);
    // one extreme run must not flatten the bars of all others
    const low = format.exists(entry.low) ? entry.low : values[Math.floor(0.1 * (values.length - 1))] ?? 0;
    const high = format.exists(entry.high) ? entry.high : values[Math.ceil(0.9 * (values.length - 1))] ?? low;
    return { ...entry, low, high: high > low ? high : low + 1e-9 };
  }

  /** A figure with a bar: its length is the value within the range, its tint how uncertain that is. */
  function figure(entry, value, bound) {
    const cell = el("div", { class: "fl-lib-figure", role: "cell" }, el("span", { class: "fl-lib-figure-label", text: entry.label }));
    cell.append(el("span", { class: format.exists(value) ? "fl-lib-number" : "fl-lib-number fl-lib-none", text: (format.exists(value) ? bound : "") + format.number(value, 3) }));
    if (format.exists(value)) {
      const share = Math.min(1, Math.max(0, (value - entry.low) / (entry.high - entry.low)));
      // never so pale that the bar cannot be told from its track
      const level = scale.level(0.3 + 0.7 * scale.uncertainty(value, entry));
      cell.append(el("span", { class: "fl-lib-bar fl-ramp-heat", "aria-hidden": "true" }, el("i", { class: `fl-h${level}`, style: { width: `${(100 * share).toFixed(1)}%` } })));
      cell.title = `${entry.label} ${format.quantity(value, entry.unit)}: ${entry.short}`;
    } else cell.title = `${entry.label} does not exist for this run.`;
    return cell;
  }

  const chip = (text, className = "", title) => el("span", { class: `fl-lib-chip ${className}`, text, title });

  function chips(run) {
    const out = [];
    if (run.kind !== "generation") out.push(chip(KINDS[run.kind] || run.kind));
    if (run.status === "stopped" || run.status === "failed") out.push(chip(STATUSES[run.status], `fl-lib-chip-${run.status}`));
    if (run.shared) out.push(chip("Shared", "fl-lib-chip-shared", "Whoever has its link can open this run"));
    return out;
  }

  function origin(run, titles) {
    const parts = [titles[run.model_name] || run.model_name, run.quantization].filter(Boolean);
    if (run.seed !== null && run.seed !== undefined) parts.push(`seed ${run.seed}`);
    const line = exact("span", "fl-lib-origin", parts.join(" · "));
    if (!run.parent) return line;
    const where = run.fork_position ? `leaves its run at token ${format.count(run.fork_position + 1)}` : "leaves its run at the start";
    line.append(" · ", el("a", { class: "fl-lib-parent", href: `?run=${encodeURIComponent(run.parent)}`, text: where, title: "Open the run that it leaves", data: { uid: run.parent } }));
    return line;
  }

  /** Whether a title only says how a text begins. */
  function begins(title, text) {
    const [start, all] = [title, text].map((words) => words.replace(/\s+/g, " ").trim());
    const cut = start.replace(/\s*(…|\.\.\.)$/, "");
    return cut !== "" && all.startsWith(cut) && (cut === all || cut !== start || cut.length >= 40);
  }

  /** The words of a row: title or prompt, answer, chips, tags, note. */
  function words(run, { acts, titles }) {
    const title = [run.prompt, run.answer].some((text) => text && begins(run.title, text)) ? "" : run.title;
    const heading = title || run.prompt || run.answer || run.uid;
    const link = el("a", { class: title ? "fl-lib-title" : "fl-lib-title fl-lib-untitled", href: `?run=${encodeURIComponent(run.uid)}`, draggable: "false" }, exact("bdi", "", heading));
    const tags = run.tags.map((tag) => el("button", { type: "button", class: "fl-lib-chip fl-lib-tag", title: "Show only runs with this tag", onclick: () => acts.tag(tag) }, exact("bdi", "", tag)));
    return el("div", { class: "fl-lib-words", role: "cell" },
      el("div", { class: "fl-lib-head" }, link, chips(run)),
      title && run.prompt ? exact("p", "fl-lib-prompt", run.prompt, true) : null,
      run.answer ? (heading !== run.answer ? exact("p", "fl-lib-answer", run.answer, true) : null) : el("p", { class: "fl-lib-answer fl-lib-none", text: "no tokens" }),
      run.note ? exact("p", "fl-lib-note", run.note, true) : null,
      el("div", { class: "fl-lib-meta" }, origin(run, titles), tags.length ? el("span", { class: "fl-lib-tags" }, tags) : null, actions(run, acts)));
  }

  function actions(run, acts) {
    const name = nameOf(run);
    const act = (word, what, does) => el("button", { type: "button", class: "fl-lib-act", text: word, "aria-label": `${what} ${name}`, data: { act: word.toLowerCase() }, onclick: does });
    const own = run.example ? [] : [
      act("Rename", "Rename", () => acts.edit(run.uid, "title")), act("Tags", "Tags of", () => acts.edit(run.uid, "tags")),
      act("Note", "Note on", () => acts.edit(run.uid, "note")), ...(acts.share ? [act("Share", "Share", () => acts.share([run.uid]))] : []), act("Delete", "Delete", () => acts.remove([run.uid])),
    ];
    return el("span", { class: "fl-lib-acts" }, own);
  }

  function box(run, chosen, acts) {
    const input = el("input", { type: "checkbox", class: "fl-lib-check", checked: chosen, "aria-label": `Select ${nameOf(run)}` });
    input.addEventListener("click", (event) => acts.select(run.uid, input.checked, event.shiftKey));
    return el("div", { class: "fl-lib-box", role: "cell" }, input);
  }

  /** A row. view: {columns: spread entries, now, chosen, titles of models, acts}. */
  function row(run, view) {
    if (run.damaged) return damaged(run);
    const { columns, now, chosen, acts } = view;
    // the day on which an example was made says nothing
    const when = run.example ? chip("Example", "fl-lib-chip-example", "Ships with Forklore; cannot be changed")
      : el("time", { class: "fl-lib-when", datetime: run.created_at, title: format.date(run.created_at), text: ago(run.created_at, now) });
    const node = el("div", { class: "fl-lib-row", role: "row", data: { uid: run.uid } },
      box(run, chosen, acts), words(run, view),
      el("div", { class: "fl-lib-figures" }, columns.map((entry) => figure(entry, run.run_scores[entry.name], run.kind === "import" ? readout.bound({ bound: view.bounds[entry.name] }) : "")),
        el("div", { class: "fl-lib-figure", role: "cell" }, el("span", { class: "fl-lib-figure-label", text: "Tokens" }), el("span", { class: "fl-lib-number", text: format.count(run.tokens) })),
        el("div", { class: "fl-lib-figure", role: "cell" }, when)));
    node.classList.toggle("fl-lib-chosen", chosen);
    return node;
  }

  function damaged(run) {
    return el("div", { class: "fl-lib-row fl-lib-damaged", role: "row", data: { uid: run.uid } }, el("div", { class: "fl-lib-box", role: "cell" }),
      el("div", { class: "fl-lib-words", role: "cell" }, el("div", { class: "fl-lib-head" }, exact("span", "fl-lib-title", run.uid), chip("damaged", "fl-lib-chip-failed")), el("p", { class: "fl-lib-note", text: run.note })));
  }

  /** Where in which row the reader is, to be found again after the rows were drawn anew; null when elsewhere. */
  function heldFocus(body) {
    const at = document.activeElement;
    const row = body.contains(at) ? at.closest(".fl-lib-row") : null;
    if (!row) return null;
    const input = at.matches(".fl-lib-field") ? [at, at.selectionStart, at.selectionEnd] : null;
    return { uid: row.dataset.uid, index: [...body.children].indexOf(row), check: at.matches(".fl-lib-check"), act: at.dataset.act, input };
  }

  /** Back to the same control, else to the row in that place, else to the `other` element. */
  function returnFocus(held, body, nodes, other) {
    if (held.input && held.input[0].isConnected) { held.input[0].focus(); return held.input[0].setSelectionRange(held.input[1], held.input[2]); }
    const row = nodes.get(held.uid) || body.children[Math.min(held.index, body.children.length - 1)];
    if (!row) return other.focus();
    const same = nodes.has(held.uid);
    const wanted = same && held.check ? ".fl-lib-check" : same && held.act ? `[data-act="${held.act}"]` : ".fl-lib-title";
    return (row.querySelector(wanted) || row.querySelector("a, button"))?.focus({ preventScroll: same });
  }

  Forklore.libraryRows = { heldFocus, returnFocus, row, exact, nameOf, ago, spread, KINDS, STATUSES };
})();
