// How long somebody really worked: gaps between presses, moves and turns of the wheel, each counted up to a minute, none
// while the page is hidden. Knows no items.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const LONGEST_GAP_MS = 60_000;
  const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "touchmove", "scroll"];

  class Clock {
    constructor() {
      this.beat = () => this.count();
      this.seen = () => {
        if (document.hidden) this.count();
        else this.last = performance.now();
        this.paused = document.hidden;
      };
      this.paused = document.hidden;
      this.reset();
      for (const sign of SIGNS) document.addEventListener(sign, this.beat, { capture: true, passive: true });
      document.addEventListener("visibilitychange", this.seen);
    }

    reset() {
      this.last = this.since = performance.now();
      this.active = 0;
    }

    count() {
      const now = performance.now();
      if (!this.paused) this.active += Math.min(now - this.last, LONGEST_GAP_MS);
      this.last = now;
    }

    /** Milliseconds since the last call, active and by the wall; begins anew. */
    take() {
      this.count();
      const taken = { active_ms: Math.round(this.active), wall_ms: Math.max(Math.round(this.active), Math.round(this.last - this.since)) };
      this.reset();
      return taken;
    }

    close() {
      for (const sign of SIGNS) document.removeEventListener(sign, this.beat, { capture: true });
      document.removeEventListener("visibilitychange", this.seen);
    }
  }

  Forklore.AnnotationClock = Clock;
})();
