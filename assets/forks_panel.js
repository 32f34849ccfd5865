// Where the forking analysis stands: a tab of the instrument, following its run and its selection. Two pieces feed it,
// one with the document, one with what comes beside it; does not know what is drawn.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { el } = Forklore.dom;

  const root = el("div", {});
  const forks = new Forklore.Forks(root);

  /** Takes the document; props.ways: how an outcome may be read. */
  Forklore.mountForks = ({ props, watch, trigger }) => {
    forks.trigger = trigger;
    forks.build(JSON.parse(props.ways || "[]"));
    watch("value", () => forks.load(props.value));
    forks.load(props.value);
    const { asked } = forks;
    if (asked && asked !== forks.data.run) { forks.asked = ""; forks.open(asked); }
    root.dataset.ready = "1";
    return forks;
  };

  Forklore.mountForksAside = ({ props, watch }) => {
    watch("value", () => forks.aside(props.value));
  };

  /** Outlines tokens in the instrument's own text. */
  const outline = (context, blamed) => context.prose.nodes.forEach((node, i) => node.classList.toggle("fl-to-blame", blamed.has(i)));

  Forklore.forksPiece = { root, forks };
  Forklore.registerPanel({
    id: "forks", label: "Forks", order: 20, needs: "forks",
    build(host, context) {
      host.append(root);
      forks.onSelect = (t) => context.select(t, false);
      forks.onTake = () => { context.awaiting = true; context.root.scrollIntoView({ block: "start" }); };
      forks.onText = (blamed) => outline(context, forks.data.run === context.trace.run ? blamed : new Set());
      const follow = () => forks.open(context.trace.stored ? context.trace.run : "");
      const pinned = () => { if (!context.place.state.soft) forks.follow(context.place.state.pinned); };
      follow();
      return {
        update(change) {
          if (change.reset || change.data) follow();
          if (change.place && change.pinned) pinned();
        },
        shown() {
          follow();
          forks.again();
          pinned();
          forks.schedule();
          forks.mark();
        },
      };
    },
  });
})();
