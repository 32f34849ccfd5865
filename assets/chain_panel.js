// Where the chain stands: a tab of the instrument, following its run, its selection and its span. Two pieces feed it, one
// with the document, one with what comes beside it; does not know what is drawn.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { el } = Forklore.dom;

  const root = el("div", {});
  const chain = new Forklore.Chain(root);

  /** Takes the document; props.value is empty until one was asked for. */
  Forklore.mountChain = ({ props, watch, trigger }) => {
    chain.trigger = trigger;
    chain.build();
    watch("value", () => chain.load(props.value));
    chain.load(props.value);
    const { asked } = chain;
    if (asked && asked !== chain.data.run) { chain.asked = ""; chain.open(asked); }
    root.dataset.ready = "1";
    return chain;
  };

  Forklore.mountChainAside = ({ props, watch }) => {
    watch("value", () => chain.aside(props.value));
  };

  /** What the chain may ask of the instrument it stands in. */
  const instrumentOf = (context) => ({
    forks: Boolean(context.props.forks),
    changes: () => context.inspector.branching.able,
    select: (t) => context.select(t, false),
    span: (from, to) => context.setSpan(from, to),
    outline: (tokens) => context.prose.nodes.forEach((node, t) => node.classList.toggle("fl-in-chain", chain.data.run === context.trace.run && tokens.has(t))),
    fork(t) {
      context.select(t, false);
      context.tabs.select("forks");
      Forklore.forksPiece.forks.aim(t);
      context.tabs.strip.querySelector("[aria-selected=true]").focus();
    },
    change(t) {
      context.select(t, false);
      context.inspector.branching.start(t);
    },
  });

  Forklore.chainPiece = { root, chain };
  Forklore.registerPanel({
    id: "chain", label: "Chain", order: 25, needs: "chain",
    build(host, context) {
      host.append(root);
      chain.instrument = instrumentOf(context);
      const follow = () => chain.open(context.trace.stored ? context.trace.run : "");
      const pinned = () => chain.follow(context.place.state.soft ? -1 : context.place.state.pinned);
      const spanned = () => { const { span } = context.place.state; if (span) chain.mark([span[0], span[1] + 1], true); else chain.unmark(); };
      follow();
      return {
        update(change) {
          if (change.reset || change.data) { follow(); chain.outline(); }
          if (!change.place) return;
          if (change.pinned) pinned();
          spanned();
        },
        shown() {
          follow();
          chain.again();
          pinned();
          if (context.place.state.span) spanned();
          chain.schedule();
        },
      };
    },
  });
})();
