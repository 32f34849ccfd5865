// A run as the browser holds it: reads the append-only NDJSON text, answers questions about tokens, scores and rivals.
// Knows the document's lines; does not know the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { scale, format } = Forklore;
  const isLive = (run) => !run || String(run).startsWith("live-");
  const byNumber = (a, b) => a - b;
  // lines that stand behind the run and may come at any time; a later one replaces an earlier one
  const LATER = ["versus", "replicates", "children", "price"];
  const ELSEWHERE = new Set(["", "unknown"]);

  function parse(lines) {
    const out = [];
    for (const line of lines) {
      if (!line) continue;
      try {
        out.push(JSON.parse(line));
      } catch {
        console.warn("Forklore: a line of the run could not be read and was left out.");
      }
    }
    return out;
  }

  class Trace {
    constructor() {
      this.clear();
    }

    clear() {
      this.text = "";
      this.header = null;
      this.tokens = [];
      this.words = new Map();
      this.done = null;
      this.state = null;
      [this.waiting, this.pages] = [0, 0];
      this.from = null;
      this.later = {};
      this.columns = new Map();
      this.forget();
    }

    /** Drops what was derived from all tokens. */
    forget() {
      this.sortedCache = new Map();
      this.largestCache = new Map();
    }

    get length() {
      return this.tokens.length;
    }
    get run() {
      return this.header ? this.header.run : "";
    }
    get stored() {
      return !isLive(this.run) && Boolean(this.done);
    }
    get streaming() {
      return Boolean(this.header) && !this.done;
    }
    get scores() {
      return this.header ? this.header.scores : [];
    }
    score(name) {
      return this.scores[this.columns.get(name)] || null;
    }

    /**
     * Takes the whole text as it is now and says what changed:
     * {kind: "none" | "append" | "replace" | "reset", from: first new or changed token, later: nothing but lines behind the run}.
     * "replace" is the same run with better data (a live run that was stored, more alternatives): marks on it stay valid.
     */
    feed(text) {
      const whole = text || "";
      const grown = this.text && whole.startsWith(this.text);
      const end = whole.lastIndexOf("\n") + 1;
      if (grown && end === this.text.length) return { kind: "none", from: this.length };
      if (grown) return this.append(whole, end);
      if (!this.text && !end) return { kind: "none", from: 0 };
      const before = { header: this.header, tokens: this.tokens };
      this.clear();
      this.append(whole, end);
      const same = this.continues(before);
      return { kind: same ? "replace" : "reset", from: same ? before.tokens.length : 0 };
    }

    append(whole, end) {
      const from = this.length;
      const lines = parse(whole.slice(this.text.length, end).split("\n"));
      for (const line of lines) this.take(line);
      this.text = whole.slice(0, end);
      const later = from > 0 && lines.length > 0 && lines.every((line) => LATER.some((name) => name in line));
      if (!later) this.forget();
      return { kind: "append", from, later };
    }

    take(line) {
      if (line.done) this.done = line;
      else if (line.state !== undefined) this.state = line;
      else if (line.waiting !== undefined) [this.waiting, this.pages] = [line.waiting, line.pages || 0];
      else if (line.scores) {
        this.header = line;
        this.columns = new Map(line.scores.map((entry, i) => [entry.name, i]));
        this.state = null;
      } else if (line.t !== undefined) {
        for (const [id, word] of Object.entries(line.w || {})) this.words.set(Number(id), word);
        this.tokens.push(line);
      } else if (line.from) this.from = line.from;
      else for (const name of LATER) if (line[name] !== undefined) this.later[name] = line[name];
    }

    continues(before) {
      if (!this.header || !before.header || !before.tokens.length) return false;
      if (this.run !== before.header.run && !isLive(before.header.run)) return false;
      if (this.header.prompt !== before.header.prompt || this.length < before.tokens.length) return false;
      return before.tokens.every((token, i) => token.id === this.tokens[i].id);
    }

    /** Value of a score at a token, null when it does not exist. */
    value(i, name) {
      const column = this.columns.get(name);
      const token = this.tokens[i];
      const value = token && column !== undefined ? token.s[column] : null;
      return format.exists(value) ? value : null;
    }

    /** All existing values of a score, ascending. */
    sorted(name) {
      if (!this.sortedCache.has(name)) {
        const values = [];
        for (let i = 0; i < this.length; i += 1) {
          const value = this.value(i, name);
          if (value !== null) values.push(value);
        }
        this.sortedCache.set(name, Float64Array.from(values).sort(byNumber));
      }
      return this.sortedCache.get(name);
    }

    /** Largest value of a score so far; needed only where the header leaves the high end open. */
    largest(name) {
      if (!this.largestCache.has(name)) this.largestCache.set(name, this.tokens.reduce((most, _, i) => Math.max(most, this.value(i, name) ?? -Infinity), -Infinity));
      return this.largestCache.get(name);
    }

    /** Share of the run's tokens with a lower value (ties count half), in [0, 1]; null without a value. */
    percentile(i, name) {
      const value = this.value(i, name);
      if (value === null) return null;
      const sorted = this.sorted(name);
      const below = firstAtLeast(sorted, value);
      return sorted.length > 1 ? (below + (firstAbove(sorted, value) - below) / 2) / sorted.length : 0.5;
    }

    uncertainty(i, name) {
      const entry = this.score(name);
      if (!entry) return null;
      const open = typeof entry.high !== "number" ? this.largest(name) : undefined;
      return scale.uncertainty(this.value(i, name), entry, open);
    }

    /** The score that tokens are ranked by: the one shown, or entropy where that one only names kinds. */
    rankingScore(name) {
      const entry = this.score(name);
      if (entry && !scale.isClass(entry)) return entry;
      return this.score("entropy") || this.scores.find((other) => !scale.isClass(other)) || null;
    }

    /** Marks the `share` (0 to 0.5) most uncertain tokens by a score: Uint8Array with 1 where marked; ties are all marked. */
    marks(name, share) {
      const out = new Uint8Array(this.length);
      const entry = this.rankingScore(name);
      const sorted = entry ? this.sorted(entry.name) : [];
      const wanted = Math.ceil(share * sorted.length);
      if (!wanted) return out;
      const down = scale.inverted(entry.direction);
      const limit = down ? sorted[wanted - 1] : sorted[sorted.length - wanted];
      for (let i = 0; i < this.length; i += 1) {
        const value = this.value(i, entry.name);
        if (value === null || !(this.uncertainty(i, entry.name) > 0)) continue;
        if (down ? value <= limit : value >= limit) out[i] = 1;
      }
      return out;
    }

    /** The piece as one would name it on one line. */
    label(i, keepSpace) {
      const token = this.tokens[i];
      if (!token) return "";
      if (token.x && (!token.t || /^\ufffd+$/.test(token.t))) return `⟨${token.x}⟩`;
      return format.label(token.t || this.words.get(token.id) || "", keepSpace);
    }

    word(id, keepSpace) {
      const text = this.words.get(id);
      return text === undefined ? `id ${id}` : format.label(text, keepSpace);
    }

    /** Whether token ids are the model's own; an API reports texts only, and ids made up for them mean nothing. */
    get hasIds() {
      return Boolean(this.header) && this.header.kind !== "import";
    }

    /** The run that this one was changed from, as {uid, title, kind, fork, example}; null for a run of its own. */
    get parent() {
      return (this.header && this.header.parent) || null;
    }
    /** Whether nobody here can say how the text came about: its probabilities were reported by an API, its model is not named. */
    get elsewhere() {
      return this.header.kind === "import" || ELSEWHERE.has((this.header.model || {}).name || "");
    }
    /** Whether the noise behind the tokens was recorded; otherwise it can only be inferred from the text. */
    get hasLuck() {
      return this.header.replayable;
    }

    /** The model as people call it. */
    get modelTitle() {
      const m = (this.header && this.header.model) || {};
      return m.title || m.name || "";
    }

    /** 1 for the most likely token; null where neither the list nor the scores say. */
    rank(i) {
      const token = this.tokens[i];
      const listed = (token.k || []).findIndex(([id]) => id === token.id);
      if (listed >= 0) return listed + 1;
      const counted = this.value(i, "rank");
      return counted === null ? null : counted + 1;
    }

    /** How the token was drawn, or null where it was given and not sampled. */
    draw(i) {
      const g = this.tokens[i].g;
      if (!g) return null;
      const [row, margin, runnerUp, luck, support, logNormalizer] = g;
      return { row, margin, runnerUp, luck, support, logNormalizer };
    }

    /** Says in words how the model's distribution was changed before sampling; "" when it was not. */
    samplingNote() {
      const s = this.header && this.header.settings;
      if (!s) return "";
      const parts = [];
      if (s.temperature === 0) return "greedy";
      if (s.temperature !== 1) parts.push(`T ${s.temperature}`);
      if (s.top_k) parts.push(`top-k ${s.top_k}`);
      if (s.top_p && s.top_p < 1) parts.push(`top-p ${s.top_p}`);
      return parts.join(", ");
    }

    /**
     * The rivals at a token: {rows: [{id, rank, p, q, logprob, cut, drawn}], others: {p, q}}.
     * p: the model's probability; q: the probability it was sampled with (null where nothing was sampled); cut: left out by
     * truncation. A drawn token beyond the list comes last with its own rank.
     */
    rivals(i) {
      const token = this.tokens[i];
      const draw = this.draw(i);
      const temperature = this.header.settings ? this.header.settings.temperature : 1;
      const sampled = (logprob, rank) => {
        if (!draw || logprob === null) return null;
        if (temperature === 0) return rank === 0 ? 1 : 0;
        return rank < draw.support ? Math.exp(logprob / temperature - draw.logNormalizer) : 0;
      };
      const row = (id, logprob, rank) => ({
        id, rank: rank + 1, logprob, p: logprob === null ? null : Math.exp(logprob), q: sampled(logprob, rank),
        cut: Boolean(draw) && temperature !== 0 && rank >= draw.support, drawn: id === token.id,
      });
      const rows = (token.k || []).map(([id, logprob], rank) => row(id, logprob, rank));
      const rank = this.rank(i);
      const surprisal = this.value(i, "surprisal");
      let rest = token.r;
      if (!rows.some((r) => r.drawn) && surprisal !== null) {
        const own = row(token.id, -surprisal, (rank ?? rows.length + 1) - 1);
        if (rank === null) own.rank = null;
        rows.push(own);
        rest = format.exists(rest) ? Math.max(0, rest - own.p) : rest;
      }
      const q = draw ? Math.max(0, 1 - rows.reduce((sum, r) => sum + (r.q || 0), 0)) : null;
      return { rows, others: { p: format.exists(rest) ? rest : null, q: q !== null && q < 1e-6 ? 0 : q } };
    }

    plainText() {
      return this.tokens.filter((token) => !token.c).map((token) => token.t).join("");
    }
  }

  function firstAtLeast(sorted, value) {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  function firstAbove(sorted, value) {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  Forklore.Trace = Trace;
  Forklore.isLiveRun = isLive;
})();
