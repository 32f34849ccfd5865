// A forking analysis as the browser holds it: lines of JSON read into curves, branches and what they say, and which
// colour each outcome has. Knows the document's fields; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { format } = Forklore;
  const LOST = ["Other", "unparsed", "unfinished", "truncated"];
  const HUES = 6;
  const SHOWN_CHANGE = 0.1; // less probable places of a change are not marked

  class ForksData {
    constructor() {
      this.hues = new Map();
      this.colouring = "";
      this.clear();
    }

    clear() {
      Object.assign(this, { text: "", header: null, labels: [], positions: [], end: null, branches: [], said: null, standing: null, at: new Map(), place: new Map() });
    }

    get run() {
      return this.header ? this.header.run : "";
    }
    get uid() {
      return this.header ? this.header.forks : "";
    }
    /** How the outcomes are read. */
    get reading() {
      return this.header ? [this.header.extractor, this.header.parameter].join("\n") : "";
    }
    get state() {
      return this.standing ? this.standing.state : "";
    }
    get running() {
      return this.state === "running" || this.state === "waiting";
    }
    /** Half-open range of the positions that were asked for. */
    get range() {
      return this.header && this.header.pieces ? [this.header.first, this.header.stop] : [0, 0];
    }

    /** Reads a whole document; "" for none. True when something changed. */
    load(text) {
      if ((text || "") === this.text) return false;
      this.clear();
      this.text = text || "";
      for (const line of this.text.split("\n")) if (line) this.take(JSON.parse(line));
      this.positions.forEach((row, i) => this.at.set(row.t, i));
      for (const branch of this.branches) this.place.set(branch.t, [...(this.place.get(branch.t) || []), branch]);
      this.chooseHues();
      this.countShared();
      return true;
    }

    take(part) {
      if (part.v) this.header = part;
      else if (part.labels) this.labels = part.labels;
      else if (part.p) {
        this.positions = part.p.map(([t, kept, shares, low, high]) => ({ t, kept, shares, low, high }));
        this.end = { shares: part.end.o, low: part.end.low, high: part.end.high };
      } else if (part.b) {
        this.branches = part.b.map(([t, id, text, p, base, draws, counts, distance, influence, chance, real, low, high]) => ({ t, id, text, p, base: Boolean(base), draws, counts, distance, influence, chance, real, low, high }));
      } else if (part.said) this.said = part.said;
      else if (part.s) this.standing = part.s;
    }

    // ---- outcomes and their colours

    /** What the answer itself comes to: the outcome with the largest share behind its last token. */
    get own() {
      return this.end ? this.labels[this.end.shares.indexOf(Math.max(...this.end.shares))] : undefined;
    }

    /** The answer's own outcome first, then by share; a colour once given stays for as long as the question is the same. */
    chooseHues() {
      const key = this.header ? [this.run, this.reading].join("\n") : "";
      if (key !== this.colouring) { this.hues.clear(); this.colouring = key; }
      const share = (k) => this.positions.reduce((sum, row) => sum + row.shares[k], 0);
      const fresh = this.labels.map((label, k) => ({ label, share: share(k) })).filter(({ label }) => !LOST.includes(label) && !this.hues.has(label));
      const order = (a, b) => (b.label === this.own) - (a.label === this.own) || b.share - a.share;
      for (const { label } of fresh.sort(order)) this.hues.set(label, this.hues.size);
    }

    /** A label as it is written: what all answers begin with alike stands as "…", so that they can be told apart. */
    written(label) {
      return this.shared && !LOST.includes(label) && label.length > this.shared ? `…${label.slice(this.shared)}` : label;
    }

    /** Characters, up to the end of a word, that all answers begin with; 0 where few are shared. */
    countShared() {
      const [first = "", ...others] = this.answers;
      let many = others.length ? first.length : 0;
      for (const other of others) while (!other.startsWith(first.slice(0, many))) many -= 1;
      const cut = first.slice(0, many).lastIndexOf(" ") + 1;
      this.shared = cut >= 12 ? cut : 0;
    }

    /** Which colour a label has: 0 to 5, 6 for the many behind those, or the lost one's own name. */
    hue(label) {
      if (LOST.includes(label)) return label.toLowerCase();
      return Math.min(HUES, this.hues.get(label) ?? HUES);
    }

    /** Indices of labels as they are stacked: `ground` (a label) at the bottom, then by colour, what is no answer last. */
    stacking(ground) {
      const rank = (label) => (label === ground ? -1 : LOST.includes(label) ? 1000 + LOST.indexOf(label) : this.hues.get(label) ?? 999);
      return this.labels.map((_, k) => k).sort((a, b) => rank(this.labels[a]) - rank(this.labels[b]));
    }

    // ---- places

    /** o_t: {shares, low, high, kept}; behind the last token what the answer came to; null where it is not known yet. */
    before(t) {
      const at = this.at.get(t);
      if (at !== undefined) return this.positions[at];
      return this.end && t === this.range[1] ? { t, kept: 1, ...this.end } : null;
    }

    /** Branches of a token, the answer's own first, then by probability; each with its outcome's shares. */
    branchesAt(t) {
      const here = [...(this.place.get(t) || [])].sort((a, b) => b.base - a.base || b.p - a.p);
      return here.map((branch) => ({ ...branch, ...this.outcomeOf(branch) }));
    }

    /** Shares of the outcomes behind a branch, with bands; the answer's own token, when not drawn, has those of the next place. */
    outcomeOf(branch) {
      const total = branch.counts.reduce((a, b) => a + b, 0);
      if (!total && branch.base) {
        const next = this.before(branch.t + 1);
        return next ? { shares: next.shares, low: next.low, high: next.high, follows: true } : { shares: null };
      }
      return total ? { shares: branch.counts.map((count) => count / total), certain: !branch.draws } : { shares: null };
    }

    /** The outcome that comes most often, and its share; only: labels that may be named, all by default. */
    top(shares, only = this.labels) {
      const known = (shares || []).map((share, k) => ({ label: this.labels[k], share, k })).filter(({ label }) => only.includes(label));
      return known.reduce((best, one) => (!best || one.share > best.share ? one : best), null);
    }

    /** Labels that could be read, rare ones among them. */
    get read() {
      return this.labels.filter((label) => label === "Other" || !LOST.includes(label));
    }

    /** Labels that are answers. */
    get answers() {
      return this.labels.filter((label) => !LOST.includes(label));
    }

    /** What follows the answer's own token: its own draws where it has some, else the curve at the next place. */
    ownShares(t) {
      const base = (this.place.get(t) || []).find((branch) => branch.base);
      return base ? this.outcomeOf(base).shares : null;
    }

    /** Alternatives that change the outcome, told from noise first; by: "distance" or "influence". */
    ranking(by) {
      return this.branches.filter((branch) => !branch.base && branch.counts.some(Boolean)).sort((a, b) => (b.real || 0) - (a.real || 0) || (b[by] || 0) - (a[by] || 0) || a.t - b.t);
    }

    /** The outcome whose share an alternative moves most: {label, from, to}; null where nothing is known. */
    moved(branch) {
      const [to, from] = [this.outcomeOf(branch).shares, this.ownShares(branch.t)];
      if (!to || !from) return null;
      const k = to.reduce((best, share, i) => (Math.abs(share - from[i]) > Math.abs(to[best] - from[best]) + 1e-9 ? i : best), 0);
      return { label: this.labels[k], from: from[k], to: to[k] };
    }

    /** Tokens to blame for a change of level or slope: Map token -> probability of the change. */
    changes() {
      const found = this.said && this.said.changes;
      return new Map((found ? found.locations : []).filter(([, , p]) => p >= SHOWN_CHANGE).map(([, blamed, p]) => [blamed, p]));
    }

    /** Tokens to blame for what is marked: jumps above a size, changes where those are asked for. */
    blamed({ jumps, changes }) {
      return new Set([...(jumps ? this.jumps(jumps).keys() : []), ...(changes ? this.changes().keys() : [])]);
    }

    /** Tokens to blame for a jump above a size: Map token -> size. */
    jumps(above) {
      return new Map((this.said && this.said.jumps[above]) || []);
    }

    /** Tokens that a reader jumps between: those with an alternative told from noise, or a jump. */
    forkTokens(above) {
      const found = new Set(this.jumps(above).keys());
      for (const branch of this.branches) if (branch.real) found.add(branch.t);
      return [...found].sort((a, b) => a - b);
    }

    /** A piece of the answer as one line. */
    label(t) {
      return this.header && this.header.pieces[t] !== undefined ? format.label(this.header.pieces[t]) : "";
    }

    // ---- numbers to take away

    /** The curve as rows: a token a row, every outcome with its band. */
    curveRows() {
      const head = ["token", "text", "kept_mass", ...this.labels.flatMap((label) => [label, `${label} low`, `${label} high`])];
      const row = (name, text, kept, at) => [name, text, kept, ...at.shares.flatMap((share, k) => [share, at.low[k], at.high[k]])];
      const rows = this.positions.map((at) => row(at.t + 1, this.header.pieces[at.t], at.kept, at));
      return [head, ...rows, ...(this.end ? [row("end", "", null, this.end)] : [])];
    }

    /** Every branch as a row. */
    branchRows() {
      const head = ["token", "alternative", "id", "own", "probability", "draws", ...this.labels, "distance", "influence", "p_value", "told_from_noise"];
      return [head, ...this.branches.map((b) => [b.t + 1, b.text, b.id, b.base ? "yes" : "no", b.p, b.draws, ...(b.counts.some(Boolean) ? b.counts : b.counts.map(() => null)), b.base ? null : b.distance, b.base ? null : b.influence, b.chance, b.real === null ? null : b.real ? "yes" : "no"])];
    }
  }

  Forklore.ForksData = ForksData;
})();
