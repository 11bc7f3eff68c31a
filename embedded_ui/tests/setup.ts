import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeAll, vi } from "vitest";

// Two cores shared with the rest of the checks: a page's first chunk may take its time.
configure({ asyncUtilTimeout: 4000 });

beforeAll(() => {
  // jsdom lays nothing out; charts only need to know that somebody would tell them.
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
});

afterEach(() => {
  cleanup();
});

// jsdom lays nothing out, so there is nowhere to scroll to.
Element.prototype.scrollIntoView = () => undefined;
