"""The Admin API of the stand-in, asked over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import SHARED

from .conftest import OTHER, TINY, run_stage

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Shopper, Stage

CUSTOMER = "gid://shopify/Customer/6000000000001"


class TestSchema:
    def test_an_unknown_field_is_refused_in_shopifys_words(self, reader: Shopper) -> None:
        [error] = reader.errors("query Q { customers(first: 1) { edges { node { id favouriteColour } } } }")
        assert error["message"] == "Field 'favouriteColour' doesn't exist on type 'Customer'"
        assert error["path"] == ["query Q", "customers", "edges", "node", "favouriteColour"]
        assert error["extensions"] == {
            "code": "undefinedField",
            "typeName": "Customer",
            "fieldName": "favouriteColour",
        }

    def test_a_wrong_argument_is_refused(self, reader: Shopper) -> None:
        [error] = reader.errors('{ orders(first: "ten") { nodes { id } } }')
        assert "Int cannot represent" in error["message"]

    def test_a_field_that_exists_but_has_no_data_is_an_error_and_no_null(self, reader: Shopper) -> None:
        answer = reader.post("{ shop { id billingAddress { city } } }").json()
        assert answer["data"] is None
        assert answer["errors"][0]["message"] == "stand-in has no data for Shop.billingAddress"

    def test_a_mutation_that_is_not_built_says_so(self, reader: Shopper) -> None:
        [error] = reader.errors('mutation { segmentCreate(name: "a", query: "b") { segment { id } } }')
        assert "stand-in has no data for Mutation.segmentCreate" in error["message"]

    def test_a_syntax_error_is_named(self, reader: Shopper) -> None:
        [error] = reader.errors("{ shop { id ")
        assert "syntax error" in error["message"].lower()

    def test_another_api_version_is_not_served(self, reader: Shopper) -> None:
        answer = reader.http.post("/admin/api/2024-01/graphql.json", json={"query": "{ shop { id } }"})
        assert answer.status_code == 404


@pytest.mark.skipif(not (SHARED / "reference/shopify_queries.graphql").exists(), reason="needs the shared documents")
class TestKnownDocuments:
    """The documents that an app like Encore sends, as they are kept for reference."""

    @pytest.mark.parametrize(
        ("name", "variables"),
        [
            ("ShopInfo", {}),
            ("CustomerById", {"id": CUSTOMER}),
            ("OrderById", {"id": "gid://shopify/Order/5000000000000"}),
            ("ProductsPage", {"first": 2}),
            ("BulkList", {}),
        ],
    )
    def test_are_answered_in_full(self, reader: Shopper, name: str, variables: dict[str, Any]) -> None:
        data = reader.ask(document(name), **variables)
        assert all(value is not None for value in data.values())

    @pytest.mark.parametrize("name", ["BulkCustomers", "BulkOrders", "BulkProducts", "BulkCollections"])
    def test_can_be_exported(self, reader: Shopper, name: str) -> None:
        assert reader.bulk(document(name))


def document(name: str) -> str:
    from graphql import parse, print_ast

    text = (SHARED / "reference/shopify_queries.graphql").read_text()
    [found] = [d for d in parse(text).definitions if d.name.value == name]  # type: ignore[attr-defined]
    return print_ast(found)


class TestAccess:
    def test_without_a_token_nothing_is_answered(self, shared_stage: Stage) -> None:
        answer = shared_stage.shopper().post("{ shop { id } }")
        assert answer.status_code == 401
        assert "Invalid API key or access token" in answer.json()["errors"]

    def test_a_token_opens_no_other_shop(self, shared_stage: Stage, reader: Shopper) -> None:
        other = shared_stage.shopper(OTHER)
        other.token = reader.token
        assert other.post("{ shop { id } }").status_code == 401

    def test_a_host_that_is_no_shop_of_ours_is_not_found(self, shared_stage: Stage) -> None:
        assert shared_stage.shopper("stranger.myshopify.com").exchange().status_code == 404

    def test_each_shop_answers_for_itself(self, shared_stage: Stage) -> None:
        domains = [
            shared_stage.shopper(shop).install().ask("{ shop { myshopifyDomain } }")["shop"]["myshopifyDomain"]
            for shop in (TINY, OTHER)
        ]
        assert domains == [TINY, OTHER]

    def test_a_field_beyond_the_granted_scopes_is_denied(self, tmp_path: Path) -> None:
        for stage in run_stage(tmp_path, scopes=("read_products",)):
            shopper = stage.shopper().install()
            assert shopper.ask("{ products(first: 1) { nodes { id } } }")
            [error, *_] = shopper.errors("{ customers(first: 1) { nodes { id } } }")
            assert error["extensions"]["code"] == "ACCESS_DENIED"
            assert "`read_customers` access scope" in error["message"]
            started = shopper.start_bulk("{ customers { edges { node { id } } } }")["bulkOperation"]["id"]
            assert shopper.finished(started)["errorCode"] == "ACCESS_DENIED"

    def test_a_write_scope_covers_reading(self, reader: Shopper) -> None:
        assert reader.ask("{ customers(first: 1) { nodes { id } } }")["customers"]["nodes"]

    def test_without_read_all_orders_only_sixty_days_are_seen(self, tmp_path: Path) -> None:
        for stage in run_stage(tmp_path, scopes=("read_orders", "read_customers", "read_products")):
            shopper = stage.shopper().install()
            seen = shopper.ask("{ ordersCount(limit: null) { count } }")["ordersCount"]["count"]
            assert 0 < seen < stage.stand_in.shops[TINY].count("Order")


class TestPaging:
    def test_walks_every_record_once_and_in_order(self, reader: Shopper) -> None:
        query = """query($after: String) { customers(first: 11, after: $after, sortKey: UPDATED_AT) {
            edges { cursor node { id updatedAt } } pageInfo { hasNextPage endCursor } } }"""
        seen: list[tuple[str, str]] = []
        after = None
        while True:
            page = reader.ask(query, after=after)["customers"]
            seen += [(edge["node"]["updatedAt"], edge["node"]["id"]) for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert len({number for _, number in seen}) == len(seen) == reader.stand_in.shops[TINY].count("Customer")
        assert [at for at, _ in seen] == sorted(at for at, _ in seen)

    def test_wants_a_page_size_as_shopify_does(self, reader: Shopper) -> None:
        assert "first or last" in reader.errors("{ customers { nodes { id } } }")[0]["message"]
        assert "250" in reader.errors("{ customers(first: 251) { nodes { id } } }")[0]["message"]

    def test_a_time_window_selects_what_changed(self, reader: Shopper) -> None:
        nodes = reader.ask("{ orders(first: 250, reverse: true) { nodes { id updatedAt } } }")["orders"]["nodes"]
        border = nodes[40]["updatedAt"]
        query = f"{{ ordersCount(limit: null, query: \"status:any updated_at:>='{border}'\") {{ count precision }} }}"
        expected = reader.stand_in.shops[TINY].count("Order", "t.updated_at >= ?", (border,))
        assert reader.ask(query)["ordersCount"] == {"count": expected, "precision": "EXACT"}

    def test_an_unknown_search_term_is_an_error_and_not_ignored(self, reader: Shopper) -> None:
        [error] = reader.errors('{ orders(first: 1, query: "channel:web") { nodes { id } } }')
        assert "does not know the search term 'channel'" in error["message"]

    def test_a_count_stops_at_its_limit(self, reader: Shopper) -> None:
        counts = reader.ask("{ a: ordersCount(limit: 5) { count precision } b: ordersCount { count precision } }")
        assert counts["a"] == {"count": 5, "precision": "AT_LEAST"}
        assert counts["b"]["precision"] == "EXACT"


class TestCost:
    def test_every_answer_says_what_it_cost(self, reader: Shopper) -> None:
        cost = reader.post("{ customers(first: 10) { nodes { id } } }").json()["extensions"]["cost"]
        assert cost["requestedQueryCost"] == 12
        assert cost["throttleStatus"]["maximumAvailable"] == 2000
        assert cost["throttleStatus"]["restoreRate"] == 100

    def test_a_query_may_not_cost_more_than_a_thousand(self, reader: Shopper) -> None:
        text = "{ orders(first: 100) { nodes { id lineItems(first: 100) { nodes { id } } } } }"
        [error] = reader.errors(text)
        assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"

    def test_an_empty_bucket_throttles_with_status_200(self, reader: Shopper) -> None:
        bucket = reader.stand_in.api.bucket(reader.stand_in.shops[TINY])
        bucket.restore = 0
        bucket.drain()
        answer = reader.post("{ customers(first: 250) { nodes { id } } }")
        assert answer.status_code == 200
        body = answer.json()
        assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert body["extensions"]["cost"]["requestedQueryCost"] > 0


class TestFaults:
    @pytest.mark.parametrize(("kind", "status"), [("http_429", 429), ("http_500", 500)])
    def test_happen_as_often_as_asked_and_then_no_more(self, reader: Shopper, kind: str, status: int) -> None:
        assert reader.sandbox("faults", kind=kind, count=2).status_code == 200
        assert [reader.post("{ shop { id } }").status_code for _ in range(3)] == [status, status, 200]

    def test_strike_only_what_they_match(self, reader: Shopper) -> None:
        reader.sandbox("faults", kind="http_500", count=1, match="productsCount")
        assert reader.post("{ shop { id } }").status_code == 200
        assert reader.post("{ productsCount { count } }").status_code == 500

    def test_throttled_answers_as_an_empty_bucket(self, reader: Shopper) -> None:
        reader.sandbox("faults", kind="throttled", count=1)
        assert reader.errors("{ shop { id } }")[0]["extensions"]["code"] == "THROTTLED"

    def test_an_unknown_kind_is_refused(self, reader: Shopper) -> None:
        answer = reader.sandbox("faults", kind="earthquake", count=1)
        assert answer.status_code == 422
        assert "kind must be one of" in answer.json()["error"]


class TestMutations:
    def test_consent_is_changed_and_read_back(self, shopper: Shopper) -> None:
        text = """mutation($input: CustomerEmailMarketingConsentUpdateInput!) {
            customerEmailMarketingConsentUpdate(input: $input) {
              customer { defaultEmailAddress { marketingState } } userErrors { message code } } }"""
        change = {"marketingState": "UNSUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
        done = shopper.ask(text, input={"customerId": CUSTOMER, "emailMarketingConsent": change})
        assert not done["customerEmailMarketingConsentUpdate"]["userErrors"]
        read = shopper.ask(f'{{ customer(id: "{CUSTOMER}") {{ updatedAt defaultEmailAddress {{ marketingState }} }} }}')
        assert read["customer"]["defaultEmailAddress"]["marketingState"] == "UNSUBSCRIBED"

    @pytest.mark.parametrize("state", ["NOT_SUBSCRIBED", "INVALID"])
    def test_only_three_states_can_be_written(self, shopper: Shopper, state: str) -> None:
        text = """mutation($s: CustomerEmailMarketingState!, $id: ID!) { customerEmailMarketingConsentUpdate(
            input: {customerId: $id, emailMarketingConsent: {marketingState: $s}}) { userErrors { message } } }"""
        done = shopper.ask(text, s=state, id=CUSTOMER)["customerEmailMarketingConsentUpdate"]
        assert "must be one of" in done["userErrors"][0]["message"]

    def test_a_customer_without_an_address_has_no_consent_to_change(self, shopper: Shopper) -> None:
        text = """mutation { customerEmailMarketingConsentUpdate(input: {
            customerId: "gid://shopify/Customer/6000000000008", emailMarketingConsent: {marketingState: SUBSCRIBED}
            }) { userErrors { message } } }"""
        done = shopper.ask(text)["customerEmailMarketingConsentUpdate"]
        assert "must have an email address" in done["userErrors"][0]["message"]

    def test_tags_are_added_and_removed_once(self, shopper: Shopper) -> None:
        add = 'mutation($t: [String!]!) { tagsAdd(id: "%s", tags: $t) { node { id } userErrors { message } } }'
        shopper.ask(add % CUSTOMER, t=["encore:loyal", "Spring"])
        shopper.ask(add % CUSTOMER, t=["Encore:Loyal"])
        shopper.ask((add % CUSTOMER).replace("tagsAdd", "tagsRemove"), t=["spring"])
        read = shopper.ask(f'{{ customer(id: "{CUSTOMER}") {{ tags }} }}')
        assert read["customer"]["tags"] == ["encore:loyal"]

    def test_tagging_what_does_not_exist_is_a_user_error(self, shopper: Shopper) -> None:
        text = 'mutation { tagsAdd(id: "gid://shopify/Customer/1", tags: ["a"]) { userErrors { message } } }'
        assert shopper.ask(text)["tagsAdd"]["userErrors"] == [{"message": "Customer does not exist"}]
