import { explain } from "@/shared/api/client";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { useChangeHoldout, useHoldout } from "./useHoldout";

/** How many customers no campaign mails, so that it shows what all campaigns together add. */
export function HoldoutSection() {
  const holdout = useHoldout();
  const change = useChangeHoldout();
  return (
    <s-section heading="Customers without campaigns">
      <Loaded query={holdout} noun="the holdout" lines={2}>
        {(found) => (
          <s-stack gap="base">
            <s-paragraph>
              A coin leaves some customers without any campaign. What the others buy beyond them is what your campaigns
              add together. {found.default}% is enough for most stores; each campaign holds out some of its own besides.
            </s-paragraph>
            <s-select
              label="Held out of all campaigns"
              value={found.percent.toString()}
              error={change.isError ? explain(change.error) : ""}
              onChange={(event) =>
                change.mutate(Number(event.currentTarget.value), { onSuccess: () => toast("From the next decision on") })
              }
            >
              {Array.from({ length: found.most + 1 }, (_, percent) => (
                <s-option key={percent} value={percent.toString()}>
                  {percent === 0 ? "Nobody: the effect of all together stays unknown" : `${percent.toString()}% of customers`}
                </s-option>
              ))}
            </s-select>
          </s-stack>
        )}
      </Loaded>
    </s-section>
  );
}
