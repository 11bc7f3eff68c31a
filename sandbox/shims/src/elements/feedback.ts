/** s-badge, s-banner, s-progress. */
import { define, flag, FOCUS_RING, num, PolarisElement, text, type Attrs } from "./core";
import { iconSvg } from "./media";

class SBadge extends PolarisElement {
  static override attrs: Attrs = { tone: text("auto"), color: text("base"), icon: text(), size: text("base") };
  static override css = `
    :host { display: inline-flex; vertical-align: middle; align-items: center; gap: 2px; padding: 2px 8px; border-radius: 8px; font-size: 12px; line-height: 16px; font-weight: var(--p-font-weight-medium); white-space: nowrap;
      inline-size: fit-content; background: var(--p-color-bg-fill-transparent-secondary); color: var(--p-color-text-secondary); }
    :host([color="strong"]) { background: var(--p-color-bg-fill-tertiary); color: var(--p-color-text); }
    :host([size="large"]), :host([size="large-100"]) { padding: 4px 10px; font-size: 13px; line-height: 20px; }
    :host([tone="info"]) { background: var(--p-color-bg-fill-info-secondary); color: var(--p-color-text-info); }
    :host([tone="success"]) { background: var(--p-color-bg-fill-success-secondary); color: var(--p-color-text-success); }
    :host([tone="caution"]) { background: var(--p-color-bg-fill-caution-secondary); color: var(--p-color-text-caution); }
    :host([tone="warning"]) { background: var(--p-color-bg-fill-warning-secondary); color: var(--p-color-text-warning); }
    :host([tone="critical"]) { background: var(--p-color-bg-fill-critical-secondary); color: var(--p-color-text-critical); }
    .icon:empty { display: none; }
    .icon svg { inline-size: 16px; block-size: 16px; margin-inline-start: -4px; }
  `;

  protected build(): void {
    this.root.innerHTML = `<span class="icon"></span><slot></slot>`;
  }

  protected override update(): void {
    const icon = this.str("icon");
    this.el(".icon").innerHTML = icon ? iconSvg(icon) : "";
  }
}

const BANNER_ICONS: Readonly<Record<string, string>> = {
  info: "info",
  success: "check",
  warning: "alert-triangle",
  critical: "alert-diamond",
  auto: "info",
};

class SBanner extends PolarisElement {
  static override attrs: Attrs = { tone: text("auto"), heading: text(), dismissible: flag() };
  static override css = `
    :host { display: block; }
    .banner { position: relative; border-radius: 12px; background: var(--p-color-bg-surface); box-shadow: var(--p-shadow-100); overflow: clip; }
    .banner::before { content: ""; position: absolute; inset: 0; border-radius: inherit; box-shadow: var(--p-shadow-bevel-100); pointer-events: none; mix-blend-mode: luminosity; }
    .top { display: flex; gap: 4px; align-items: flex-start; padding: 12px; --bg: var(--p-color-bg-fill-info); --fg: var(--p-color-text-info-on-bg-fill); background: var(--bg); color: var(--fg); }
    .success .top { --bg: var(--p-color-bg-fill-success); --fg: var(--p-color-text-success-on-bg-fill); }
    .warning .top { --bg: var(--p-color-bg-fill-warning); --fg: var(--p-color-text-warning-on-bg-fill); }
    .critical .top { --bg: var(--p-color-bg-fill-critical); --fg: var(--p-color-text-critical-on-bg-fill); }
    .heading { flex: 1; font-weight: var(--p-font-weight-semibold); }
    .inside .heading { flex: none; }
    button { all: unset; cursor: pointer; border-radius: 6px; display: flex; }
    button:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
    button[hidden] { display: none; }
    .bottom { padding: 12px; }
    .bottom[hidden] { display: none; }
    .actions { display: flex; gap: 8px; margin-block-start: 12px; }
    .actions[hidden] { display: none; }
    .inside { box-shadow: none; border-radius: 8px; background: var(--tint, var(--p-color-bg-surface-info)); color: var(--p-color-text-info); display: grid; grid-template-columns: 1fr auto; }
    .inside::before { content: none; }
    .inside .top { background: none; color: inherit; padding-block-end: 8px; }
    .inside .bottom { grid-column: 1 / -1; padding-block-start: 0; color: var(--p-color-text); }
    .inside.success { --tint: var(--p-color-bg-surface-success); color: var(--p-color-text-success); }
    .inside.warning { --tint: var(--p-color-bg-surface-warning); color: var(--p-color-text-warning); }
    .inside.critical { --tint: var(--p-color-bg-surface-critical); color: var(--p-color-text-critical); }
    button:focus-visible { ${FOCUS_RING} }
  `;

  protected build(): void {
    this.root.innerHTML = `
      <div class="banner">
        <div class="top"><span class="icon"></span><span class="heading"></span><button type="button" aria-label="Dismiss">${iconSvg("x")}</button></div>
        <div class="bottom"><slot></slot><div class="actions"><slot name="secondary-actions"></slot></div></div>
      </div>`;
    this.el("button").addEventListener("click", () => {
      // The page may be keeping the banner's state itself, so the event comes first and the hiding may be undone.
      this.emit("dismiss");
      this.hidden = true;
      this.emit("afterhide");
    });
    for (const slot of this.root.querySelectorAll("slot")) slot.addEventListener("slotchange", () => this.update());
  }

  protected override update(): void {
    const tone = this.str("tone") || "auto";
    const banner = this.el(".banner");
    banner.className = `banner ${tone}${this.parentElement?.closest("s-section") ? " inside" : ""}`;
    banner.setAttribute("role", tone === "critical" || tone === "warning" ? "alert" : "status");
    this.el(".icon").innerHTML = iconSvg(BANNER_ICONS[tone] ?? "info");
    this.el(".heading").textContent = this.str("heading");
    this.el<HTMLElement>("button").hidden = !this.has("dismissible");
    const slotted = (slot: HTMLSlotElement) =>
      slot.assignedNodes().some((node) => node.nodeType === Node.ELEMENT_NODE || node.textContent?.trim());
    const body = this.el<HTMLSlotElement>("slot:not([name])");
    const actions = this.el<HTMLSlotElement>('slot[name="secondary-actions"]');
    this.el<HTMLElement>(".actions").hidden = !slotted(actions);
    this.el<HTMLElement>(".bottom").hidden = !slotted(body) && !slotted(actions);
  }
}

class SProgress extends PolarisElement {
  static override attrs: Attrs = { value: num(0), max: num(1), tone: text("auto"), accessibilityLabel: text() };
  static override css = `
    :host { display: block; }
    .track { block-size: 8px; border-radius: 8px; background: var(--p-color-bg-fill-tertiary); overflow: hidden; }
    .bar { block-size: 100%; background: var(--p-color-bg-fill-brand); border-radius: inherit; transition: inline-size 200ms; }
    :host([tone="success"]) .bar { background: var(--p-color-bg-fill-success); }
    :host([tone="critical"]) .bar { background: var(--p-color-bg-fill-critical); }
    :host([tone="info"]) .bar { background: var(--p-color-bg-fill-info); }
  `;

  protected build(): void {
    this.root.innerHTML = `<div class="track" role="progressbar" aria-valuemin="0"><div class="bar"></div></div>`;
  }

  protected override update(): void {
    const max = Number(this.getAttribute("max") ?? 1) || 1;
    const value = Math.min(max, Math.max(0, Number(this.getAttribute("value") ?? 0)));
    const track = this.el(".track");
    track.setAttribute("aria-valuemax", String(max));
    track.setAttribute("aria-valuenow", String(value));
    if (this.has("accessibilitylabel")) track.setAttribute("aria-label", this.str("accessibilitylabel"));
    this.el<HTMLElement>(".bar").style.inlineSize = `${(100 * value) / max}%`;
  }
}

export function defineFeedback(): void {
  define("s-badge", SBadge);
  define("s-banner", SBanner);
  define("s-progress", SProgress);
}
