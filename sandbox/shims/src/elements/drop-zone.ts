/** s-drop-zone: choose or drop files. */
import { define, flag, FOCUS_RING, text, type Attrs } from "./core";
import { Field, FIELD_CSS } from "./field";
import { iconSvg } from "./media";

class SDropZone extends Field {
  static override attrs: Attrs = {
    label: text(),
    error: text(),
    name: text(),
    accept: text(),
    multiple: flag(),
    required: flag(),
    disabled: flag(),
    accessibilityLabel: text(),
    labelAccessibilityVisibility: text("visible"),
  };
  static override css = `
    ${FIELD_CSS}
    .zone { position: relative; display: flex; flex-direction: column; gap: 8px; align-items: center; justify-content: center; min-block-size: 120px; padding: 16px; border-radius: 8px; text-align: center;
      border: 1px dashed var(--p-color-border-tertiary); background: var(--p-color-bg-surface); color: var(--p-color-text-secondary); cursor: pointer; }
    .zone:hover { background: var(--p-color-bg-surface-hover); }
    .zone:focus-within { ${FOCUS_RING} }
    .over { background: var(--p-color-bg-surface-info); border-color: var(--p-color-border-focus); }
    .bad .zone { background: var(--p-color-bg-surface-critical); border-color: var(--p-color-border-critical-secondary); }
    input { position: absolute; inset: 0; opacity: 0; cursor: pointer; inline-size: 100%; block-size: 100%; }
    .fake { display: inline-flex; padding: 6px 12px; border-radius: 8px; font-size: 12px; line-height: 16px; font-weight: var(--p-font-weight-medium); color: var(--p-color-text); background: var(--p-color-bg-fill); box-shadow: var(--p-shadow-button); }
    .names:empty { display: none; }
    .names { color: var(--p-color-text); }
  `;
  private chosen: File[] = [];

  private get control(): HTMLInputElement {
    return this.el<HTMLInputElement>("#control");
  }

  get files(): readonly File[] {
    return this.chosen;
  }

  set files(files: readonly File[]) {
    this.chosen = [...files];
    if (this.root.querySelector("#control")) this.update();
  }

  /** The path of the first file as a native input would say it. */
  get value(): string {
    return this.chosen[0] ? `C:\\fakepath\\${this.chosen[0].name}` : "";
  }

  set value(value: string) {
    if (value === "") this.files = [];
  }

  protected build(): void {
    this.root.innerHTML = `
      <div class="field">
        <label class="label" for="control"></label>
        <div class="zone"><input type="file" id="control">${iconSvg("upload")}<span class="fake"></span><span class="names"></span><slot></slot></div>
        <div class="details" hidden><slot name="details"></slot></div>
        <div class="error" id="error" hidden>${iconSvg("alert-circle")}<span></span><slot name="error"></slot></div>
      </div>`;
    const control = this.control;
    const zone = this.el(".zone");
    control.addEventListener("input", (event) => event.stopPropagation());
    control.addEventListener("change", () => this.take([...(control.files ?? [])]));
    for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, () => zone.classList.add("over"));
    for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!this.has("disabled")) this.take([...((event as DragEvent).dataTransfer?.files ?? [])]);
    });
  }

  protected override update(): void {
    const control = this.control;
    this.decorate(control);
    control.accept = this.str("accept");
    control.multiple = this.has("multiple");
    control.disabled = this.has("disabled");
    this.el(".fake").textContent = this.has("multiple") ? "Add files" : "Add file";
    this.el(".names").textContent = this.chosen.map((file) => file.name).join(", ");
    const name = this.str("name");
    const data = new FormData();
    for (const file of this.chosen) data.append(name, file);
    this.submitValue(name && this.chosen.length > 0 ? data : null, this.chosen.length === 0, control);
  }

  protected override reset(): void {
    this.chosen = [];
    this.control.value = "";
    this.update();
  }

  private take(files: File[]): void {
    const fits = files.filter((file) => this.accepts(file));
    if (fits.length < files.length) this.emit("droprejected");
    if (fits.length === 0) return;
    this.chosen = this.has("multiple") ? fits : fits.slice(0, 1);
    this.update();
    this.emit("input", { bubbles: true });
    this.emit("change", { bubbles: true });
  }

  private accepts(file: File): boolean {
    const rules = this.str("accept").split(",").map((rule) => rule.trim().toLowerCase()).filter(Boolean);
    const name = file.name.toLowerCase();
    return (
      rules.length === 0 ||
      rules.some((rule) =>
        rule.startsWith(".") ? name.endsWith(rule)
          : rule.endsWith("/*") ? file.type.startsWith(rule.slice(0, -1)) : file.type === rule,
      )
    );
  }
}

export function defineDropZone(): void {
  define("s-drop-zone", SDropZone);
}
