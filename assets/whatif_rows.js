// Which token of a run stands against which of the run it was changed from: by noise row, not by position.
// Pure functions over two lists of tokens; draws nothing, and does not know how the noise was made.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const FORCED = -1;
  const LARGEST = 4e6; // cells of the table by which edited stretches are matched

  /** For each token the noise row that belongs to its place; one that was not drawn borrows (see engine/edits.row_at). */
  function rowsOf(rows) {
    const next = new Array(rows.length).fill(-1);
    for (let i = rows.length - 1, at = -1; i >= 0; i -= 1) next[i] = at = rows[i] !== FORCED ? i : at;
    const out = [];
    let [free, previous] = [0, -1];
    rows.forEach((row, i) => {
      if (row !== FORCED) [free, previous] = [row + 1, i];
      const borrowed = next[i] >= 0 ? Math.max(free, rows[next[i]] - (next[i] - i)) : free + (i - previous - 1);
      out.push(row !== FORCED ? row : borrowed);
    });
    return out;
  }

  /** Index pairs of a longest common subsequence of two lists of ids. */
  function common(a, b) {
    if (a.length * b.length > LARGEST) return [];
    const wide = b.length + 1;
    const best = new Uint32Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        best[i * wide + j] = a[i] === b[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
      }
    }
    const out = [];
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) out.push([i++, j++]);
      else if (best[(i + 1) * wide + j] >= best[i * wide + j + 1]) i += 1;
      else j += 1;
    }
    return out;
  }

  /** The stretch that a person changed: [start, stop) of the original against [start, held) of this run. */
  function edited(from, own, { start, stop, held, edits }) {
    const columns = [];
    let [i, j] = [start, start];
    const gap = (to, ownTo) => {
      while (i < to || j < ownTo) columns.push({ from: i < to ? i++ : -1, own: j < ownTo ? j++ : -1, kind: "edit", equal: false });
    };
    const stays = () => columns.push({ from: i++, own: j++, kind: "held", equal: true });
    if (edits) {
      for (const [first, behind, written] of edits) {
        while (i < first && j < held) stays();
        gap(behind, j + written);
      }
    } else {
      const ids = (list, a, b) => list.slice(a, b).map((token) => token.id);
      // one stretch for another needs no matching: an equal token in it is chance
      const several = stop - start > 1 && held - start > 1;
      for (const [a, b] of several ? common(ids(from, start, stop), ids(own, start, held)) : []) {
        gap(start + a, start + b);
        stays();
      }
    }
    gap(stop, held);
    return columns;
  }

  /** What was drawn anew, against what was drawn with the same rows before; `ended`: nothing more will come. */
  function drawn(from, own, { stop, held }, ended) {
    const rows = rowsOf(from.map((token) => token.row));
    const ownRow = (j) => (own[j].g ? own[j].g[0] : FORCED);
    const columns = [];
    let [i, j] = [stop, held];
    const pair = (kind) => {
      const equal = from[i].id === own[j].id;
      columns.push({ from: i++, own: j++, kind, equal });
    };
    while (j < own.length) {
      const row = ownRow(j);
      const above = i < from.length ? rows[i] : Infinity;
      // a change of settings may leave a beginning standing
      if (row === FORCED && from[i]?.id === own[j].id) pair("held");
      else if (row === FORCED || above > row) columns.push({ from: -1, own: j++, kind: row === FORCED ? "held" : "drawn", equal: false });
      else if (above < row || (from[i].row === FORCED && rows[i + 1] === row)) columns.push({ from: i++, own: -1, kind: "gone", equal: false });
      else pair(from[i].row === FORCED ? "borrowed" : "drawn");
    }
    while (ended && i < from.length) columns.push({ from: i++, own: -1, kind: "gone", equal: false });
    return columns;
  }

  /**
   * {columns: [{from, own, kind, equal}], first, edits, start}: indices into both runs, -1 where one has nothing there.
   * kind: "kept" the untouched beginning, "edit" what a person changed, "held" what was left standing behind an edit,
   * "drawn" with the same noise row, "borrowed" with the row of a place that was not drawn before, "gone" no longer there.
   * first: column of the first difference behind the edits, -1; edits: how many separate stretches were changed;
   * start: where the first of them begins.
   * Grows only at its end while the run is written.
   */
  function alignment(trace) {
    const { from, tokens: own, header, parent } = trace;
    if (!parent || !from) return { columns: [], first: -1, edits: 0, start: 0 };
    const at = { start: parent.fork, stop: parent.fork, held: parent.fork, ...header.edit };
    const kept = Math.min(at.start, own.length, from.length);
    const columns = [];
    for (let i = 0; i < kept; i += 1) columns.push({ from: i, own: i, kind: "kept", equal: from[i].id === own[i].id });
    if (own.length >= at.held) columns.push(...edited(from, own, at), ...drawn(from, own, at, Boolean(trace.done)));
    const first = columns.findIndex((column) => !column.equal && !["edit", "held", "kept"].includes(column.kind));
    const edits = columns.filter((column, k) => column.kind === "edit" && (k === 0 || columns[k - 1].kind !== "edit")).length;
    return { columns, first, edits, start: Math.min(at.start, from.length) };
  }

  /** Of the tokens that both runs drew with the same row: [equal, shared] so far. inferred: the original's rows are its places. */
  function agreement(columns, inferred) {
    const shared = columns.filter(({ kind, from }) => from >= 0 && (kind === "drawn" || (inferred && kind === "borrowed")));
    return [shared.filter((column) => column.equal).length, shared.length];
  }

  Forklore.whatIfRows = { alignment, agreement, rowsOf };
})();
