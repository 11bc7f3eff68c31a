import type { SimulatedInterval } from "@/shared/api/types";
import { count, estimate } from "@/shared/format/numbers";

/** "110 to 131", or what to say when nothing is left to chance. */
export function bounds(one: SimulatedInterval, form: (value: number) => string = count): string {
  return one.low === one.high ? "surely" : `${form(one.low)} to ${form(one.high)}`;
}

/** "120 (110 to 131)". */
export function around(one: SimulatedInterval): string {
  return one.low === one.high ? estimate(one.expected) : `${estimate(one.expected)} (${bounds(one)})`;
}
