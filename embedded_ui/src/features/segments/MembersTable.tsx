import { useState } from "react";
import { explain as reasonOf } from "@/shared/api/client";
import type { Member, SegmentDetails } from "@/shared/api/types";
import { asOf, day } from "@/shared/format/dates";
import { money } from "@/shared/format/money";
import { count, percent } from "@/shared/format/numbers";
import { usePinActions } from "@/shared/segments/useExplanation";
import { toast } from "@/shared/states/toast";
import { NOT_REACHABLE } from "@/shared/format/words";
import { Pager } from "@/shared/paging/Pager";
import { usePaging } from "@/shared/paging/usePaging";
import { Loaded } from "@/shared/states/Loaded";
import { useMembers } from "./useSegments";

const PAGE = 25;
type Shown = "all" | "reachable" | "unreachable";
const REACHABLE: Record<Shown, boolean | undefined> = { all: undefined, reachable: true, unreachable: false };

function nameOf(member: Member): string {
  return member.name === "" ? `Customer ${member.customer_no.toString()}` : member.name;
}

/** The members, each with the reason why. */
export function MembersTable({ segment, explain }: { segment: SegmentDetails; explain: (customerNo: number) => void }) {
  const [shown, setShown] = useState<Shown>("all");
  const paging = usePaging(shown);
  const members = useMembers(segment.id, paging.cursor, REACHABLE[shown]);
  const first = (paging.page - 1) * PAGE + 1;
  return (
    <s-section heading="Members" padding="none">
      <s-box paddingInline="base" paddingBlockEnd="base">
        <div className="encore-fields"><s-select label="Show" value={shown} onChange={(event) => setShown(event.currentTarget.value as Shown)}>
          <s-option value="all">Everyone</s-option>
          <s-option value="reachable">Reachable by e-mail</s-option>
          <s-option value="unreachable">Not reachable</s-option>
        </s-select></div>
      </s-box>
      <Loaded query={members} noun="members" lines={6}>
        {(page) =>
          page.items.length === 0 ? (
            <s-box padding="base">
              <s-paragraph color="subdued">Nobody to show.</s-paragraph>
            </s-box>
          ) : (
            <>
              <Members members={page.items} segment={segment} explain={explain} />
              <Pager
                summary={`${count(first)}–${count(first + page.items.length - 1)} of ${count(page.total)} members. ${asOf(page.evaluated_at, segment.timezone)}.`}
                hasPrevious={paging.hasPrevious}
                next={page.next}
                forward={paging.forward}
                back={paging.back}
              />
            </>
          )
        }
      </Loaded>
    </s-section>
  );
}

interface MembersProps {
  members: Member[];
  segment: SegmentDetails;
  explain: (customerNo: number) => void;
}

function Members({ members, segment, explain }: MembersProps) {
  const withProbability = members.some((member) => member.probability !== null);
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Customer</s-table-header>
        <s-table-header listSlot="secondary">Why</s-table-header>
        {withProbability && <s-table-header listSlot="labeled" format="numeric">Probability</s-table-header>}
        <s-table-header listSlot="labeled" format="numeric">Orders</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Net spend</s-table-header>
        <s-table-header listSlot="labeled">Last order</s-table-header>
        <s-table-header listSlot="inline">E-mail</s-table-header>
        <s-table-header listSlot="labeled">More</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {members.map((member) => (
          <s-table-row key={member.customer_no}>
            <s-table-cell>
              <div className="encore-name">
                <s-link href={`/customers/${member.customer_no.toString()}`}>{nameOf(member)}</s-link>
                {member.email !== null && <span>{member.email}</span>}
              </div>
            </s-table-cell>
            <s-table-cell>
              <div className="encore-reason">{member.reason}</div>
            </s-table-cell>
            {withProbability && <s-table-cell>{percent(member.probability)}</s-table-cell>}
            <s-table-cell>{count(member.orders)}</s-table-cell>
            <s-table-cell>{money(member.net_spend_minor, segment.currency)}</s-table-cell>
            <s-table-cell>{day(member.last_order_at, segment.timezone)}</s-table-cell>
            <s-table-cell>
              {member.reachable ? (
                <s-badge tone="success">Reachable</s-badge>
              ) : (
                <s-badge>{member.not_reachable === null ? "Not reachable" : NOT_REACHABLE[member.not_reachable]}</s-badge>
              )}
            </s-table-cell>
            <s-table-cell>
              <MemberMenu member={member} segment={segment} explain={explain} />
            </s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}

/** What can be done with one member: be explained, opened, kept out. */
function MemberMenu({ member, segment, explain }: Omit<MembersProps, "members"> & { member: Member }) {
  const { pin } = usePinActions(segment.id);
  const id = `member-${member.customer_no.toString()}`;
  // The row is gone by then: what is passed to `mutate` would not be called any more.
  const keepOut = () =>
    void pin.mutateAsync({ customer_no: member.customer_no, kind: "out" }).then(
      () => toast("Pinned out of this segment"),
      (fault: unknown) => toast(`The pin was not changed. ${reasonOf(fault)}`),
    );
  return (
    <>
      <s-button
        variant="tertiary"
        icon="menu-horizontal"
        commandFor={id}
        loading={pin.isPending}
        accessibilityLabel={`More about ${nameOf(member)}`}
      />
      <s-menu id={id} accessibilityLabel={`What to do with ${nameOf(member)}`}>
        <s-button onClick={() => explain(member.customer_no)}>Why in?</s-button>
        <s-button href={`/customers/${member.customer_no.toString()}`}>Open the customer</s-button>
        {segment.source === "rule" && <s-button onClick={keepOut}>Never in this segment</s-button>}
      </s-menu>
    </>
  );
}
