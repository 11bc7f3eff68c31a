import type { CampaignReport } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { wholeMoney } from "@/shared/format/money";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

type Figures = NonNullable<CampaignReport["figures"]>;

/** Orders that came after an e-mail, by how they are tied to it. Never part of what was added. */
export function Followed({ figures, rules }: { figures: Figures; rules: CampaignReport["rules"] }) {
  const { currency } = useShop();
  const { attribution, discount } = figures;
  const words = {
    code: `with its code, within ${rules.code_days.toString()} days`,
    click: `within ${rules.click_days.toString()} days of a person's click`,
    window: `within ${rules.window_days.toString()} days of the e-mail`,
  };
  return (
    <s-section heading="What followed it (attributed)">
      <s-stack gap="base">
        <s-paragraph color="subdued">
          Orders after an e-mail, each tied to one e-mail of the shop at most. Many would have come anyway: this is not
          what the campaign added.
        </s-paragraph>
        <Figures>
          <Figure
            label="Attributed revenue"
            value={wholeMoney(attribution.revenue_minor, currency)}
            detail={counted(attribution.orders, "order")}
          />
          {attribution.ways.map((one) => (
            <Figure
              key={one.way}
              label={`By ${one.way === "window" ? "time" : one.way}`}
              value={counted(one.orders, "order")}
              detail={`${wholeMoney(one.revenue_minor, currency)}, ${words[one.way]}`}
            />
          ))}
        </Figures>
        <Figures>
          <Figure label="Unsubscribed" value={count(figures.unsubscribed)} detail="by a link in its e-mails, wholly or from a topic" />
          <Figure label="Complaints" value={figures.complained === null ? "not observed" : count(figures.complained)} />
          <Figure label="Bounced" value={figures.bounced === null ? "not observed" : count(figures.bounced)} />
          {discount !== null && (
            <Figure
              label="Discount given"
              value={wholeMoney(discount.given_minor, currency)}
              detail={`${counted(discount.orders, "order")}. ${discount.basis}`}
            />
          )}
          {discount !== null && discount.saved_minor !== null && (
            <Figure
              label="Discount not given away"
              value={wholeMoney(discount.saved_minor, currency)}
              detail="to customers who bought without one"
            />
          )}
        </Figures>
      </s-stack>
    </s-section>
  );
}
