/** What all fields share: label, details, error, form association, validity, change and input. */
import { flag, FOCUS_RING, PolarisElement, text, type Attrs } from "./core";
import { iconSvg } from "./media";

export const FIELD_ATTRS: Attrs = {
  label: text(),
  details: text(),
  error: text(),
  name: text(),
  required: flag(),
  disabled: flag(),
  labelAccessibilityVisibility: text("visible"),
};

export const FIELD_CSS = `
  :host { display: block; min-inline-size: 0; }
  .field { display: flex; flex-direction: column; gap: 4px; }
  .label { display: block; }
  .label[hidden] { display: none; }
  :host([labelaccessibilityvisibility="exclusive"]) .label { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .box { position: relative; display: flex; align-items: center; gap: 4px; min-block-size: 32px; padding-inline: 12px; border-radius: 8px; color: var(--p-color-text);
    background: var(--p-color-input-bg-surface); border: 0.66px solid var(--p-color-input-border); }
  .box:hover { background: var(--p-color-input-bg-surface-hover); border-color: var(--p-color-input-border-hover); }
  .box:focus-within { background: var(--p-color-input-bg-surface-active); border-color: var(--p-color-input-border-active); ${FOCUS_RING} }
  .control { all: unset; box-sizing: border-box; flex: 1; min-inline-size: 0; inline-size: 100%; padding-block: 6px; line-height: 20px; text-align: start; }
  .control::placeholder { color: var(--p-color-text-secondary); }
  .affix { color: var(--p-color-text-secondary); white-space: nowrap; }
  .affix:empty { display: none; }
  .affix svg { color: var(--p-color-icon-secondary); margin-inline-start: -4px; }
  .details { color: var(--p-color-text-secondary); }
  .details[hidden], .error[hidden] { display: none; }
  .error { display: flex; gap: 4px; color: var(--p-color-text-critical); }
  .error svg { flex: none; }
  .bad .box, .bad.box { background: var(--p-color-bg-surface-critical); border-color: var(--p-color-border-critical-secondary); }
  :host([disabled]) .box { background: var(--p-color-bg-fill-disabled); border-color: transparent; color: var(--p-color-text-disabled); }
  :host([disabled]) .label { color: var(--p-color-text-disabled); }
  :host([readonly]) .box { background: var(--p-color-bg-surface-secondary); }
`;

/** Label, details and error around `box`, as one template. */
export function fieldTemplate(box: string): string {
  return `
    <div class="field">
      <label class="label" for="control"></label>
      ${box}
      <div class="details" id="details"><slot name="details"></slot></div>
      <div class="error" id="error" hidden>${iconSvg("alert-circle")}<span></span><slot name="error"></slot></div>
    </div>`;
}

/** A form-associated element around one native control with id "control". */
export abstract class Field extends PolarisElement {
  static formAssociated = true;
  static override delegatesFocus = true;
  protected readonly internals = this.attachInternals();

  get form(): HTMLFormElement | null {
    return this.internals.form;
  }

  get validity(): ValidityState {
    return this.internals.validity;
  }

  get validationMessage(): string {
    return this.internals.validationMessage;
  }

  checkValidity(): boolean {
    return this.internals.checkValidity();
  }

  reportValidity(): boolean {
    return this.internals.reportValidity();
  }

  formResetCallback(): void {
    this.reset();
  }

  protected abstract reset(): void;

  /** Label, details, error and the ARIA that ties them to the control. */
  protected decorate(control: HTMLElement): void {
    const label = this.root.querySelector<HTMLElement>(".label");
    if (label) {
      label.textContent = this.str("label");
      label.hidden = !this.str("label");
    }
    const details = this.el<HTMLElement>(".details");
    const slottedDetails = this.el<HTMLSlotElement>('slot[name="details"]');
    const words = this.str("details");
    // The slot's fallback is the attribute's text, so slotted details win. Writing it fires slotchange,
    // which calls update: only a real change may be written.
    if (slottedDetails.textContent !== words) slottedDetails.textContent = words;
    details.hidden = !words && slottedDetails.assignedNodes().length === 0;
    const error = this.el<HTMLElement>(".error");
    const message = this.str("error");
    const slottedError = this.el<HTMLSlotElement>('slot[name="error"]');
    const bad = Boolean(message) || slottedError.assignedNodes().length > 0;
    this.el(".error span").textContent = slottedError.assignedNodes().length > 0 ? "" : message;
    error.hidden = !bad;
    this.el(".field").classList.toggle("bad", bad);
    control.setAttribute("aria-invalid", String(bad));
    const described = [bad ? "error" : "", details.hidden ? "" : "details"].filter(Boolean).join(" ");
    if (described) control.setAttribute("aria-describedby", described);
    else control.removeAttribute("aria-describedby");
    if (this.has("required")) control.setAttribute("aria-required", "true");
    else control.removeAttribute("aria-required");
    const name = this.str("accessibilitylabel");
    if (name) control.setAttribute("aria-label", name);
  }

  protected watchSlots(): void {
    for (const slot of this.root.querySelectorAll('slot[name="details"], slot[name="error"]'))
      slot.addEventListener("slotchange", () => this.update());
  }

  /** Sends the value with the form and tells the form whether it may be sent. */
  protected submitValue(value: string | FormData | null, missing: boolean, control: HTMLElement): void {
    this.internals.setFormValue(value);
    if (missing && this.has("required")) this.internals.setValidity({ valueMissing: true }, "Fill in this field.", control);
    else this.internals.setValidity({});
  }
}
