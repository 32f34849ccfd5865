// Growing the tree from a token: the form with its price, what a growth is doing now, and its Stop.
// Asks through the piece; does not know how nodes are found.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const FIELDS = [["budget", "Nodes to look into", 64], ["width", "Branches a node", 5], ["depth", "Tokens deep", 32]];
  const TOLD_FOR = 5000; // milliseconds
  const HOURS_FROM = 5400; // seconds
  const REASONS = {
    complete: "Nothing is left to look into from here.", budget: "Stopped at the number of nodes asked for.",
    cancelled: "Stopped by you; what was found stays.", full: "The tree is full.",
  };

  /** Why a growth ended; "" where nothing is to be said. */
  function reasonOf(status) {
    if (status.reason !== "leaves") return REASONS[status.reason] || "";
    const prefixes = (status.leaves || []).filter((leaf) => !leaf.finished).length;
    const cut = prefixes ? `; ${format.count(prefixes)} of them ${prefixes === 1 ? "is a prefix" : "are prefixes"} cut off by depth` : "";
    return `Brought out as many as asked for${cut}.`;
  }
  const lasting = (seconds) => (seconds > HOURS_FROM ? `${(seconds / 3600).toFixed(1)}\u00a0hours` : format.seconds(seconds));

  class TreeGrow {
    constructor(context) {
      this.context = context;
      this.form = el("form", { class: "fl-tr-form", hidden: true, "aria-label": "Expand here" });
      this.form.addEventListener("submit", (event) => { event.preventDefault(); this.ask(null); });
      this.form.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.close();
      });
      this.form.addEventListener("input", () => this.price());
      this.said = el("span", {});
      this.bar = el("i", {});
      this.stop = dom.button("Stop", () => context.emit("tree_stop", {}), { class: "fl-button", title: "Keep what there is" });
      this.state = el("div", { class: "fl-tr-state", role: "status", hidden: true }, this.said, el("span", { class: "fl-tr-progress", "aria-hidden": "true" }, this.bar), this.stop);
    }

    build() {
      const { data } = this.context;
      const policies = data.header.policies || [];
      const limits = data.header.limits || {};
      const group = dom.uid("fl-tr-policy");
      const chosen = this.policy || (data.status && data.status.policy) || (policies[0] && policies[0].name);
      this.choices = policies.map((policy) => {
        const id = dom.uid("fl-tr-policy");
        const input = el("input", { type: "radio", name: group, id, value: policy.name, checked: policy.name === chosen, onchange: () => this.price() });
        return { input, node: el("div", { class: "fl-tr-policy" }, input, el("label", { for: id }, el("b", { text: policy.name }), ` ${policy.short}`)) };
      });
      this.inputs = {};
      const fields = [...FIELDS.map(([name, label, usual]) => this.field(name, label, Math.min(usual, limits[name] || usual), 1, limits[name])), (this.seedPart = this.field("seed", "Seed", 0, 0, 2 ** 31 - 1))];
      this.cost = el("p", { class: "fl-tr-price", role: "status" });
      this.go = el("button", { type: "submit", class: "fl-button fl-tr-primary", text: "Expand" });
      this.onemore = dom.button("One more answer", () => this.ask("more"), { title: "Go on until one more answer has come out, at most as far as the nodes allow" });
      this.title = el("h4", {});
      this.form.replaceChildren(this.title, el("fieldset", { class: "fl-tr-policies" }, el("legend", { class: "fl-tr-sr", text: "What to look into first" }), this.choices.map((choice) => choice.node)),
        el("div", { class: "fl-tr-fields" }, fields), this.cost, el("div", { class: "fl-tr-buttons" }, this.go, this.onemore, dom.button("Cancel", () => this.close())));
    }

    field(name, label, value, min, max) {
      const id = dom.uid(`fl-tr-${name}`);
      this.inputs[name] = el("input", { type: "number", id, min, max, step: 1, required: true, value: String((this.kept && this.kept[name]) ?? value), class: "fl-tr-number" });
      return el("span", { class: "fl-tr-field" }, el("label", { for: id, text: label }), this.inputs[name], max && name !== "seed" ? el("small", { text: `up to ${format.count(max)}` }) : null);
    }

    chosen() {
      const found = this.choices.find((choice) => choice.input.checked);
      return found ? found.input.value : "";
    }

    open(node) {
      const { data } = this.context;
      if (!data.header || data.growing) { this.context.say(data.growing ? "A growth is under way; stop it first." : ""); return; }
      this.node = node;
      this.build();
      this.title.replaceChildren("Expand from ", el("bdi", { text: `“${data.label(node)}”` }));
      this.form.hidden = false;
      this.price();
      (this.choices.find((choice) => choice.input.checked) || { input: this.go }).input.focus({ preventScroll: true });
      this.form.scrollIntoView({ block: "nearest" });
    }

    close() {
      if (this.form.hidden) return;
      this.form.hidden = true;
      this.context.focus();
    }

    price() {
      const budget = Number(this.inputs.budget.value);
      const each = this.context.data.header.seconds_per_node;
      this.seedPart.hidden = this.chosen() !== "fair";
      const count = `${format.count(budget)} ${budget === 1 ? "node" : "nodes"}`;
      const over = FIELDS.find(([name]) => Number(this.inputs[name].value) > Number(this.inputs[name].max || Infinity));
      this.go.disabled = this.onemore.disabled = Boolean(over);
      this.cost.textContent = over ? `${over[1]}: at most ${format.count(Number(this.inputs[over[0]].max))}` : !(budget > 0) ? "" : format.exists(each) ? `${count}, about ${lasting(each * budget)}` : `${count}; how long one takes is not known yet`;
      this.cost.dataset.nodes = String(budget);
    }

    ask(leaves) {
      if (!this.form.reportValidity()) return;
      const value = (name) => Number(this.inputs[name].value);
      this.policy = this.chosen();
      this.kept = { budget: value("budget"), width: value("width"), depth: value("depth"), seed: value("seed") };
      this.context.emit("tree_grow", { node: this.node, policy: this.policy, width: value("width"), depth: value("depth"), budget: value("budget"), leaves, seed: this.policy === "fair" ? value("seed") : null });
      this.close();
    }

    /** Says one sentence where the growth is told, until something else is to be told there. */
    tell(sentence) {
      const { status } = this.context.data;
      this.told = { sentence, status, until: Date.now() + TOLD_FOR };
      this.update();
    }

    /** One line on the growth that is under way or has ended. */
    update() {
      const { data } = this.context;
      const status = data.status;
      const told = this.told && (this.told.status === status || (data.growing && Date.now() < this.told.until)) ? this.told.sentence : "";
      const shown = Boolean(status) && (told || data.growing || status.state === "failed" || Boolean(status.message) || Boolean(reasonOf(status)));
      this.state.hidden = !shown;
      if (!shown) return;
      const { growing } = data;
      if (growing) this.form.hidden = true;
      const count = `${format.count(status.evaluated)} of ${format.count(status.budget)} nodes`;
      const said = told ? told : status.state === "waiting" ? status.message || "Waiting for the model." : growing ? `Growing: ${count}` : status.message || `${reasonOf(status)} ${format.count(status.evaluated)} nodes looked into.`;
      if (this.said.textContent !== said) this.said.textContent = Forklore.dom.shown(said);
      this.state.classList.toggle("fl-tr-failed", status.state === "failed");
      this.stop.hidden = !growing;
      this.bar.parentElement.hidden = !growing;
      this.bar.style.width = `${Math.min(100, (100 * status.evaluated) / Math.max(1, status.budget))}%`;
    }
  }

  Forklore.TreeGrow = TreeGrow;
})();
