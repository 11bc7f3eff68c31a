/** Reads the page's s-page and s-app-nav, so that the admin can draw title bar and navigation from them. */
import type { Action, NavItem, TitleBar } from "./protocol";

const PRESSABLE = "s-button, s-link, s-clickable, button, a";

const words = (element: Element): string => (element.getAttribute("accessibilitylabel") ?? element.textContent ?? "").trim();

interface Pressed {
  readonly id: string;
  readonly element: HTMLElement;
}

export class PageReader {
  private pressed: Pressed[] = [];

  /** The title bar that the document asks for; null without an s-page. */
  titleBar(): TitleBar | null {
    this.pressed = [];
    const page = document.querySelector("s-page");
    if (!page) return null;
    const slotted = (name: string) => [...page.querySelectorAll<HTMLElement>(`:scope > [slot="${name}"]`)];
    const actions = (name: string) => slotted(name).flatMap((element) => this.within(element));
    return {
      heading: page.getAttribute("heading") ?? "",
      breadcrumb: this.action(slotted("breadcrumb-actions").flatMap((element) => this.within(element))[0]),
      primary: this.action(actions("primary-action")[0]),
      secondary: actions("secondary-actions").map((element) => this.action(element)).filter((made) => made !== null),
      badges: slotted("accessory").map((badge) => ({ label: words(badge), tone: badge.getAttribute("tone") ?? "auto" })),
    };
  }

  /** The links of s-app-nav, without the one marked as home: it stands on the app's own name. */
  navigation(): NavItem[] {
    return [...document.querySelectorAll("s-app-nav > [href]")]
      .filter((link) => link.getAttribute("rel") !== "home")
      .map((link) => ({ href: link.getAttribute("href") ?? "", label: words(link) }));
  }

  press(id: string): void {
    this.pressed.find((entry) => entry.id === id)?.element.click();
  }

  /** A slot may hold a button, or a group of buttons. */
  private within(element: HTMLElement): HTMLElement[] {
    return element.matches(PRESSABLE) ? [element] : [...element.querySelectorAll<HTMLElement>(PRESSABLE)];
  }

  private action(element: HTMLElement | undefined): Action | null {
    if (!element) return null;
    const id = String(this.pressed.length);
    this.pressed.push({ id, element });
    const target = document.getElementById(element.getAttribute("commandfor") ?? "");
    const items = target?.localName === "s-menu" ? [...target.querySelectorAll<HTMLElement>(PRESSABLE)] : null;
    return {
      id,
      label: words(element),
      icon: element.getAttribute("icon") ?? "",
      tone: element.getAttribute("tone") ?? "auto",
      disabled: element.hasAttribute("disabled"),
      loading: element.hasAttribute("loading"),
      menu: items?.map((item) => this.action(item)).filter((made) => made !== null) ?? null,
    };
  }
}
