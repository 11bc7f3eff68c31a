import { describe, expect, it } from "vitest";
import { render } from "@testing-library/react";
import { App } from "@/app/App";

describe("App", () => {
  it("shows that the shop loads", () => {
    const { container } = render(<App />);
    expect(container.querySelector("s-page")?.getAttribute("heading")).toBe("Encore");
  });
});
