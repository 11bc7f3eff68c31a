import type { KindCard, ModelCard } from "@/shared/api/types";

export type Grade = ModelCard["grade"];
export type Kind = KindCard["kind"];

export const KIND_NAMES: Record<Kind, string> = { repurchase: "Repurchase", cross_sell: "Cross-sell" };

export const GRADE_NAMES: Record<Grade, string> = {
  good: "Good",
  fair: "Fair",
  weak: "Weak",
  too_little_data: "Too little data",
};

export const GRADE_TONES: Record<Grade, "success" | "info" | "warning" | "neutral"> = {
  good: "success",
  fair: "info",
  weak: "warning",
  too_little_data: "neutral",
};
