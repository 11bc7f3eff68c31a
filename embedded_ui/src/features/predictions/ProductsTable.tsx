import { useState } from "react";
import type { KindCard } from "@/shared/api/types";
import { count, counted, decimal, estimate, fixed, percent } from "@/shared/format/numbers";
import { Pager } from "@/shared/paging/Pager";

type Product = KindCard["products"][number];

const PAGE = 15;

const SORTS = {
  positives: "Buyers",
  off: "Difference to expected",
  average_precision: "Average precision",
  lift_top5: "Lift, best 5%",
  title: "Name",
} as const;
type Sort = keyof typeof SORTS;

function off(product: Product): number {
  return product.expected === null ? 0 : Math.abs(product.positives - product.expected);
}

/** The products whose title holds the words, in the order asked for; equals stay by buyers. */
export function arranged(products: Product[], search: string, sort: Sort, ascending: boolean): Product[] {
  const words = search.trim().toLowerCase();
  const found = products.filter((one) => one.title.toLowerCase().includes(words));
  const value = (one: Product) => (sort === "off" ? off(one) : sort === "title" ? 0 : (one[sort] ?? -1));
  const sign = ascending ? 1 : -1;
  return found.sort((a, b) => sign * (sort === "title" ? a.title.localeCompare(b.title) : value(a) - value(b)));
}

/** How each product was predicted: searchable, sortable. */
export function ProductsTable({ kind }: { kind: KindCard }) {
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState<Sort>("positives");
  const [ascending, setAscending] = useState(false);
  const [page, setPage] = useState(0);
  const found = arranged([...kind.products], search, sort, ascending);
  const shown = found.slice(page * PAGE, (page + 1) * PAGE);
  return (
    <s-section heading="Product by product" padding="none">
      <s-box paddingInline="base" paddingBlockEnd="base">
        <div className="encore-fields">
          <s-search-field
            label="Find a product"
            value={search}
            onInput={(event) => {
              setSearch(event.currentTarget.value);
              setPage(0);
            }}
          />
          <s-select label="Sort by" value={sort} onChange={(event) => setSort(event.currentTarget.value as Sort)}>
            {Object.entries(SORTS).map(([key, name]) => (
              <s-option key={key} value={key}>
                {name}
              </s-option>
            ))}
          </s-select>
          <s-select
            label="Order"
            value={ascending ? "asc" : "desc"}
            onChange={(event) => setAscending(event.currentTarget.value === "asc")}
          >
            <s-option value="desc">Highest first</s-option>
            <s-option value="asc">Lowest first</s-option>
          </s-select>
        </div>
      </s-box>
      {shown.length === 0 ? (
        <s-box padding="base">
          <s-paragraph color="subdued">No product of this name had at least 10 buyers.</s-paragraph>
        </s-box>
      ) : (
        <Rows products={shown} />
      )}
      <Pager
        summary={`${counted(found.length, "product")} with at least 10 buyers in the month.`}
        hasPrevious={page > 0}
        next={(page + 1) * PAGE < found.length ? "next" : null}
        forward={() => setPage(page + 1)}
        back={() => setPage(page - 1)}
      />
    </s-section>
  );
}

function Rows({ products }: { products: Product[] }) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Product</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Expected buyers</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Buyers</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Of customers</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Average precision</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Lift, best 5%</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Buyers in best 10%</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {products.map((one) => (
          <s-table-row key={one.product_no}>
            <s-table-cell>{one.title}</s-table-cell>
            <s-table-cell>{estimate(one.expected)}</s-table-cell>
            <s-table-cell>{count(one.positives)}</s-table-cell>
            <s-table-cell>{count(one.pairs)}</s-table-cell>
            <s-table-cell>{fixed(one.average_precision, 3)}</s-table-cell>
            <s-table-cell>{decimal(one.lift_top5)}×</s-table-cell>
            <s-table-cell>{percent(one.recall_top10)}</s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}
