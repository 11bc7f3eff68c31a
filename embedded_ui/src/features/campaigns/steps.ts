import { ApiError } from "@/shared/api/client";
import type { Campaign } from "@/shared/api/types";

type Unresolved = Campaign["unresolved"][number];
export type Step = Unresolved["step"] | "review";

export const STEPS: readonly Step[] = ["name", "sender", "audience", "timing", "content", "discount", "review"];

export const STEP_NAMES: Record<Step, string> = {
  name: "Name",
  sender: "Sender",
  audience: "Audience",
  timing: "Timing",
  content: "Content",
  discount: "Discount",
  review: "Review",
};

/** The step of an address; the first when it names none. */
export function readStep(text: string | null): Step {
  return STEPS.find((step) => step === text) ?? "name";
}

/** How many things of a step keep the campaign from being activated. */
export function openItems(unresolved: Unresolved[], step: Step): number {
  return unresolved.filter((one) => one.step === step).length;
}

/**
 * The message under each field of a step: what the last save refused, else what is unresolved.
 *
 * Unresolved things show once the merchant has been there and gone on: an empty new form is not wrong.
 * A refusal names its field as `step.field`, `field`, or with the part's path in the request.
 */
export function fieldMessages(
  step: Step,
  unresolved: Unresolved[],
  refusal: unknown,
  visited: boolean,
): Record<string, string> {
  const messages: Record<string, string> = {};
  if (visited) {
    for (const one of unresolved) {
      if (one.step === step) messages[one.field] ??= one.message;
    }
  }
  if (refusal instanceof ApiError && refusal.field !== null) {
    const parts = refusal.field.split(".");
    const own = parts.indexOf(step);
    // Of a block all of the path counts: `content.blocks.2.url`.
    const field = parts.includes("blocks") ? parts.slice(own + 1).join(".") : (parts.at(-1) ?? refusal.field);
    if (step === "content" && parts.includes("utm")) messages[`utm.${field}`] = refusal.message;
    else if (parts.length === 1 || own >= 0) messages[field] = refusal.message;
  }
  return messages;
}

/** What is unresolved in a step but belongs to none of its fields on screen. */
export function otherMessages(messages: Record<string, string>, fields: readonly string[]): string[] {
  return Object.entries(messages)
    .filter(([field]) => !fields.includes(field))
    .map(([, message]) => message);
}
