import { type RefObject, useEffect, useEffectEvent } from "react";

/**
 * Listens to an event that React does not know, such as `nextpage` or `dismiss`.
 *
 * React 19 passes onInput, onChange and onClick of custom elements through its own events. For any
 * other `onNextPage` it would listen to an event named "NextPage", which no Polaris element sends.
 */
export function useElementEvent(
  ref: RefObject<HTMLElement | null>,
  name: string,
  handler: (event: Event) => void,
): void {
  const handle = useEffectEvent(handler);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const listener = (event: Event) => handle(event);
    element.addEventListener(name, listener);
    return () => element.removeEventListener(name, listener);
  }, [ref, name]);
}
