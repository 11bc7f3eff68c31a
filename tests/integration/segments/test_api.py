from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from flask import g

from app.api.app import create_app
from app.services import upload_segment
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.segments.conftest import SmallShop

BUYERS = {"v": 1, "match": {"did": "ordered"}}


@pytest.fixture
def client(shop: SmallShop) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


def made(client: FlaskClient, name: str = "Buyers", rule: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = client.post("/api/segments", json={"name": name, "rule": rule or BUYERS})
    assert answer.status_code == 201, answer.json
    found: dict[str, Any] = answer.json
    return found


class TestSegmentsApi:
    def test_create_read_change_delete_restore(self, client: FlaskClient) -> None:
        segment = made(client)
        assert segment["statistics"]["size"] == 50
        address = f"/api/segments/{segment['id']}"
        assert client.get(address).json == segment
        changed = client.put(address, json={"name": "All buyers"})
        assert changed.json["name"] == "All buyers"
        assert client.delete(address).json["id"] == segment["id"]
        assert client.get(address).status_code == 404
        assert client.post(f"{address}/restore").json["name"] == "All buyers"

    def test_the_list_is_filtered_by_category_in_the_address(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        found = client.get("/api/segments?category=retain&category=cross_sell&sort=name&order=asc").json
        assert {row["category"] for row in found["items"]} == {"retain", "cross_sell"}
        assert found["state"] == "ready"
        assert sum(row["count"] for row in found["categories"]) > found["total"]
        product = next(row for row in found["items"] if row["category"] == "cross_sell")
        assert product["product"] == {"product_id": "1003", "title": "Big Mug", "image_url": None}
        assert product["expected"]["horizon_days"] == 30

    def test_every_segment_of_the_list_has_its_page(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        for row in client.get("/api/segments?limit=200").json["items"]:
            page = client.get(f"/api/segments/{row['id']}").json
            assert page["statistics"]["size"] == row["size"]
            members = client.get(f"/api/segments/{row['id']}/members?limit=200").json
            assert members["total"] == len(members["items"]) == row["size"]

    def test_a_rule_is_previewed_and_its_faults_are_named(self, client: FlaskClient) -> None:
        good = client.post("/api/segments/preview", json={"rule": BUYERS, "sample": 3})
        assert (good.json["count"], good.json["reachable"], len(good.json["sample"])) == (50, 45, 3)
        bad = client.post("/api/segments/preview", json={"rule": {"v": 1, "match": {"all": []}}})
        assert bad.status_code == 422
        assert bad.json["error"]["field"] == "rule.match.all"

    def test_deleting_what_is_used_is_a_conflict(self, client: FlaskClient) -> None:
        first = made(client)
        made(client, "Uses it", {"v": 1, "match": {"in": first["id"]}})
        answer = client.delete(f"/api/segments/{first['id']}")
        assert answer.status_code == 409
        assert "“Uses it”" in answer.json["error"]["message"]

    def test_upload_and_report(self, client: FlaskClient) -> None:
        file = (io.BytesIO(b"email\nc3@example.com\nx@y.org\n"), "2026.csv")
        answer = client.post("/api/segments/uploads", data={"file": file, "name": "2026"})
        assert answer.status_code == 201, answer.json
        assert (answer.json["segment_name"], answer.json["matched"], answer.json["unmatched"]) == ("2026", 1, 1)
        report = client.get(answer.json["report_url"])
        assert report.mimetype == "text/csv"
        assert b"x@y.org" in report.data

    def test_download_is_counted_and_then_streamed(self, client: FlaskClient) -> None:
        segment = made(client)
        export = client.post(f"/api/segments/{segment['id']}/exports", json={"format": "meta"})
        assert export.status_code == 201
        file = client.get(export.json["url"])
        assert file.headers["Content-Disposition"].endswith('.csv"')
        assert len(file.data.splitlines()) - 1 == export.json["rows"] == 45
        assert client.get(f"/api/segments/{segment['id']}/exports").json["items"][0]["id"] == export.json["id"]

    def test_a_download_is_counted_made_polled_and_says_who_asked(self, shop: SmallShop) -> None:
        def authenticated() -> None:
            g.shop, g.user = shop.ctx, "4242"

        client = create_app(shop.rooms, authenticated, []).test_client()
        base = f"/api/segments/{made(client)['id']}/exports"
        body = {"format": "google", "countries_mode": "without", "countries": ["EEA_UK"]}
        counted = client.post(f"{base}/count", json=body)
        assert (counted.status_code, counted.json["rows"], counted.json["exact"]) == (200, 45, True)
        export = client.post(base, json=body).json
        assert (export["hashed"], export["include_unsubscribed"], export["made_by"]) == (True, False, "4242")
        assert client.get(f"{base}/{export['id']}").json == export
        for wrong in ({"countries_mode": "only"}, {"countries": ["Germany"]}, {"format": "fax"}):
            assert client.post(base, json=wrong).status_code == 422

    def test_a_schedule_is_made_listed_paused_and_removed(self, client: FlaskClient) -> None:
        segment = made(client)
        base = f"/api/segments/{segment['id']}/export-schedules"
        schedule = client.post(base, json={"format": "tiktok", "every": "week", "weekday": 2, "hour": 7})
        assert (schedule.status_code, schedule.json["next_at"]) == (201, "2026-11-25T12:00:00Z")
        listed = client.get(base).json
        assert ([one["id"] for one in listed["items"]], listed["folder"]) == ([schedule.json["id"]], False)
        one = f"{base}/{schedule.json['id']}"
        assert client.patch(one, json={"state": "paused"}).json["state"] == "paused"
        assert client.get(f"/api/segments/{segment['id']}").json["used_by"][0]["kind"] == "download"
        assert client.delete(one).json == {"id": schedule.json["id"]}
        assert client.get(base).json["items"] == []
        assert client.post(base, json={"hour": 7, "destination": "file"}).status_code == 422

    def test_vocabulary_and_templates(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        assert client.get("/api/segments/vocabulary").json["max_leaves"] == 100
        assert len(client.get("/api/segments/templates").json["items"]) == 5

    @pytest.mark.parametrize("odd", ["²", "99999999999999999999", "4294967296"])
    def test_numbers_that_are_none_of_ours_are_answered_in_words(self, client: FlaskClient, odd: str) -> None:
        segment = made(client)
        assert client.get(f"/api/segments/seg_{odd}").status_code in {404, 422}
        assert client.get(f"/api/segments?cursor={odd}").status_code == 422
        assert client.get(f"/api/segments/{segment['id']}/members?cursor={odd}").status_code == 422
        rule = {"v": 1, "match": {"in": f"seg_{odd}"}}
        assert client.post("/api/segments/preview", json={"rule": rule, "sample": 0}).status_code == 422

    def test_only_uploads_may_be_larger_than_other_requests(
        self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.app.MAX_REQUEST_BYTES", 2_000)
        client = create_app(shop.rooms, lambda: setattr(g, "shop", shop.ctx), []).test_client()
        content = b"email\n" + b"".join(b"c%d@example.com\n" % (no % 60) for no in range(1_000))
        report = client.post("/api/segments/uploads", data={"file": (io.BytesIO(content), "friends.csv")})
        assert report.status_code == 201, report.json
        refused = client.post("/api/segments/preview", json={"rule": {"x": "x" * 3_000}, "sample": 0})
        assert refused.status_code == 413
        assert "Nothing was changed" in refused.json["error"]["message"]

    def test_an_upload_that_is_too_large_is_refused_with_what_to_do(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_segment, "MAX_BYTES", 100 << 10)
        answers = []
        for size in (101 << 10, 300 << 10):  # seen by the service, and before it by the web framework
            content = b"email\n" + b"x" * size
            answers.append(client.post("/api/segments/uploads", data={"file": (io.BytesIO(content), "friends.csv")}))
        assert [answer.status_code for answer in answers] == [422, 413]
        assert all("larger than" in answer.json["error"]["message"] for answer in answers)

    def test_another_shops_segment_is_not_found(self, client: FlaskClient) -> None:
        assert client.get("/api/segments/seg_999").status_code == 404
        assert client.get("/api/segments/nonsense").status_code in {400, 422}
