import { useState } from "react";
import { Bar, BarChart, CartesianGrid, ErrorBar, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { Campaign, Simulation, SimulationRequest } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, shortDay } from "@/shared/format/dates";
import { count, counted, estimate, percent } from "@/shared/format/numbers";
import { wholeMoney } from "@/shared/format/money";
import { capital } from "@/shared/format/words";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { around, bounds } from "./interval";
import { useSimulation } from "./useBeforeYouSend";
import { WhatIfControls } from "./WhatIfControls";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

/** The next weeks, lived through many times. */
export function SimulationSection({ campaign }: { campaign: Campaign }) {
  const [whatIf, setWhatIf] = useState<SimulationRequest>({ days: 30 });
  const simulation = useSimulation(campaign, whatIf);
  return (
    <>
      <s-section heading="The next weeks">
        <s-stack gap="base">
          <WhatIfControls campaign={campaign} whatIf={whatIf} setWhatIf={setWhatIf} busy={simulation.isFetching} />
          <Loaded query={simulation} noun="the simulation" lines={4}>
            {(found) => <Summary found={found} tried={Object.keys(whatIf).length > 1} />}
          </Loaded>
        </s-stack>
      </s-section>
      {simulation.data !== undefined && <Weeks found={simulation.data} campaign={campaign} />}
    </>
  );
}

function Summary({ found, tried }: { found: Simulation; tried: boolean }) {
  const { timezone, currency } = useShop();
  const others = found.others === 0 ? "No other campaign is active." : `${counted(found.others, "other campaign")} active beside it.`;
  const part = found.share === 1 ? "" : ` Worked out on ${percent(found.share)} of the customers, drawn by chance.`;
  return (
    <s-stack gap="base">
      {tried && (
        <s-text color="subdued">With the settings tried above. The campaign itself is as you saved it.</s-text>
      )}
      <Figures>
        <Figure label={`E-mails in ${found.days} days`} value={count(found.emails.expected)} detail={bounds(found.emails)} />
        <Figure label="Customers reached" value={count(found.reached.expected)} detail={bounds(found.reached)} />
        <Figure label="E-mails held out" value={count(found.held_out.expected)} detail={`${found.holdout_percent}% at random`} />
        <Figure label="Orders that come anyway" value={estimate(found.baseline.expected)} detail={bounds(found.baseline)} />
        <Figure
          label={capital(found.added_label)}
          value={estimate(found.added.expected)}
          detail={`${bounds(found.added)}, on top of those`}
        />
        {found.discount_minor !== null && (
          <Figure
            label={found.discount_from === "plan" ? "Discount cost by your plan" : "Discount, if every order uses it"}
            value={wholeMoney(Math.round(found.discount_minor.expected), currency)}
            detail={bounds(found.discount_minor, (minor) => wholeMoney(minor, currency))}
          />
        )}
        {found.codes !== null && found.codes_minor !== null && (
          <Figure
            label="Codes given"
            value={count(found.codes.expected)}
            detail={`${bounds(found.codes)}, worth about ${wholeMoney(Math.round(found.codes_minor.expected), currency)} if all were used`}
          />
        )}
      </Figures>
      {found.lifts.map((one) => (
        <s-paragraph key={one.kind}>{liftWords(one, found.lifts.length > 1)}</s-paragraph>
      ))}
      <CapEffect found={found} />
      <LimitEffect found={found} />
      <Withdrawn found={found} />
      <s-text color="subdued">
        Orders are of what was recommended, within 30 days of the e-mail. {others} Ranges hold nine in ten of{" "}
        {found.draws} simulated futures.{part} {asOf(found.as_of, timezone)}.
      </s-text>
    </s-stack>
  );
}

const MAILS: Record<Simulation["lifts"][number]["kind"], string> = {
  repurchase: "reminders to buy again",
  cross_sell: "recommendations of something new",
};

/** Where the share that e-mails add comes from: so many measured campaigns, or the prior alone. */
function liftWords(one: Simulation["lifts"][number], named: boolean): string {
  const what = named ? `Of ${MAILS[one.kind]}: e-mails` : "E-mails";
  const share = `${percent(Math.abs(one.lift))} ${one.lift < 0 ? "off" : "to"} the orders that come anyway`;
  const range = `${percent(one.low)} to ${percent(one.high)}`;
  const verb = one.lift < 0 ? "take" : "add";
  if (one.campaigns === 0) return `${what} are taken to ${verb} ${share} (${range}): a stated prior, as no campaign was measured yet.`;
  return `${what} ${verb} ${share} (${range}), measured in ${counted(one.campaigns, "campaign")} so far.`;
}

function Withdrawn({ found }: { found: Simulation }) {
  if (Math.round(found.withdrawn.expected) === 0) return null;
  return (
    <s-paragraph>
      {counted(Math.round(found.withdrawn.expected), "message")} ({bounds(found.withdrawn)}) {found.withdrawn.expected < 1.5 ? "is" : "are"} not sent
      because the customer buys before the campaign's hours open.
    </s-paragraph>
  );
}

function LimitEffect({ found }: { found: Simulation }) {
  const limited = Math.round(found.limited_days.expected);
  if (limited === 0) return null;
  return (
    <s-paragraph>
      How much may be sent holds it back on {counted(limited, "customer-day")} ({bounds(found.limited_days)}): a new domain
      warms up step by step, one without DKIM stays below 500 messages a day until it is set, and you may have set a limit
      per hour. <s-link href="/senders">Senders</s-link> shows each limit, and what to set.
    </s-paragraph>
  );
}

function CapEffect({ found }: { found: Simulation }) {
  const capped = Math.round(found.capped_days.expected);
  const beaten = Math.round(found.beaten_days.expected);
  if (capped === 0 && beaten === 0) return <s-paragraph>Nobody is kept waiting by the weekly cap or another campaign.</s-paragraph>;
  return (
    <s-paragraph>
      The weekly cap holds it back on {counted(capped, "customer-day")} ({bounds(found.capped_days)}); a better message of
      another campaign goes first on {counted(beaten, "customer-day")} ({bounds(found.beaten_days)}).
    </s-paragraph>
  );
}

function Weeks({ found, campaign }: { found: Simulation; campaign: Campaign }) {
  const { timezone } = useShop();
  const points = found.weeks.map((week) => ({
    label: shortDay(week.starts_at, timezone),
    emails: Math.round(week.emails.expected),
    others: Math.round(week.all_emails.expected - week.emails.expected),
    around: [
      Math.max(0, Math.round(week.emails.expected) - week.emails.low),
      Math.max(0, week.emails.high - Math.round(week.emails.expected)),
    ],
  }));
  const last = found.weeks.at(-1);
  const short = last !== undefined && last.days < 7 ? ` The last bar is ${counted(last.days, "day")}.` : "";
  return (
    <ChartCard
      heading="E-mails per week"
      caption={`This campaign, with the range of nine in ten futures, and all other campaigns.${short}`}
      columns={["Week from", "Days", "This campaign", "All campaigns"]}
      rows={found.weeks.map((week) => [shortDay(week.starts_at, timezone), week.days, around(week.emails), around(week.all_emails)])}
      file={`${campaign.id}-simulated-weeks`}
    >
      <ResponsiveContainer width="100%" height={220}>
        <BarChart data={points} margin={{ top: 8, right: 8, bottom: 0, left: 0 }}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} />
          <YAxis tick={AXIS} tickLine={false} axisLine={false} width={52} tickFormatter={(v: number) => count(v)} allowDecimals={false} />
          <Tooltip
            cursor={{ fill: "var(--encore-hover)" }}
            isAnimationActive={false}
            formatter={(value, name) => [count(Number(value)), name]}
          />
          <Legend position="top" />
          <Bar dataKey="emails" name="This campaign" fill="var(--encore-data)" radius={[4, 4, 0, 0]} maxBarSize={48} isAnimationActive={false}>
            <ErrorBar dataKey="around" width={6} strokeWidth={1.5} stroke="var(--encore-text)" direction="y" />
          </Bar>
          <Bar dataKey="others" name="Other campaigns" fill="var(--encore-data-soft)" radius={[4, 4, 0, 0]} maxBarSize={48} isAnimationActive={false} />
        </BarChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
