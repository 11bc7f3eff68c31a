"""What goes over the wire, held against what the vendor's own library sends for the same operation.

The stand-in could share a misunderstanding with our adapter; the library does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mailchimp_marketing
import pytest
from klaviyo_api import KlaviyoAPI
from openapi_client.api_arg_options import USE_DICTIONARY_FOR_RESPONSE_DATA

from connectors.base import Member, TargetWish
from tests.contract.connectors.conftest import opened, sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.base import AudienceDestination
    from connectors.registry import VendorConnectors
    from tests.contract.standins.conftest import Running

PLAIN = {USE_DICTIONARY_FOR_RESPONSE_DATA: True}
KLAVIYO_MEMBERS = [
    Member(1, "zoë+club@example.com", first_name="Zoë", last_name="O'Hara"),
    Member(2, "ann@example.com"),
]


def wire(call: dict[str, Any]) -> dict[str, Any]:
    """What a vendor sees of a call; a trailing slash is the generator's whim, headers of ours are not ours."""
    headers = {name.lower(): value for name, value in call["headers"].items()}
    return {
        "method": call["method"],
        "path": call["path"].rstrip("/"),
        "query": call["query"],
        "body": call["body"],
        "content type": headers.get("content-type"),
        "accept": headers.get("accept"),
        "revision": headers.get("revision"),
        "authorization": headers.get("authorization"),
    }


@pytest.fixture
def ours(klaviyo: Running, connectors_for: Callable[..., VendorConnectors]) -> AudienceDestination:
    return opened(connectors_for("klaviyo", klaviyo), "klaviyo")


class TestKlaviyo:
    def same(self, klaviyo: Running, ours: Callable[[], Any], theirs: Callable[[Any], Any]) -> None:
        ours()
        mine = wire(klaviyo.last_call())
        theirs(KlaviyoAPI("pk_sandbox", max_retries=1, test_host=klaviyo.url))
        assert mine == wire(klaviyo.last_call())

    def test_account(self, klaviyo: Running, ours: AudienceDestination) -> None:
        self.same(klaviyo, ours.check, lambda api: api.Accounts.get_accounts(options=PLAIN))

    def test_lists(self, klaviyo: Running, ours: AudienceDestination) -> None:
        self.same(klaviyo, ours.discover, lambda api: api.Lists.get_lists(fields_list=["name"], options=PLAIN))

    def test_new_list(self, klaviyo: Running, ours: AudienceDestination) -> None:
        body = {"data": {"type": "list", "attributes": {"name": "Encore: VIP"}}}
        self.same(
            klaviyo,
            lambda: ours.ensure_target(TargetWish(name="Encore: VIP")),
            lambda api: api.Lists.create_list(body, options=PLAIN),
        )

    def test_one_list(self, klaviyo: Running, ours: AudienceDestination) -> None:
        list_id = ours.ensure_target(TargetWish(name="VIP")).id
        fields = {"additional_fields_list": ["profile_count"], "fields_list": ["name", "profile_count"]}
        self.same(
            klaviyo,
            lambda: ours.target(list_id),
            lambda api: api.Lists.get_list(list_id, **fields, options=PLAIN),
        )

    def test_import(self, klaviyo: Running, ours: AudienceDestination) -> None:
        list_id = ours.ensure_target(TargetWish(name="VIP")).id
        profiles = [
            {"email": "zoë+club@example.com", "first_name": "Zoë", "last_name": "O'Hara"},
            {"email": "ann@example.com"},
        ]
        body = {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": [{"type": "profile", "attributes": row} for row in profiles]}},
                "relationships": {"lists": {"data": [{"type": "list", "id": list_id}]}},
            }
        }
        self.same(
            klaviyo,
            lambda: sent(ours.add_members(list_id, KLAVIYO_MEMBERS)),
            lambda api: api.Profiles.bulk_import_profiles(body, options=PLAIN),
        )

    def test_job_and_its_errors(self, klaviyo: Running, ours: AudienceDestination) -> None:
        list_id = ours.ensure_target(TargetWish(name="VIP")).id
        job_id = sent(ours.add_members(list_id, [Member(1, "broken")]))[0].job_id or ""
        ours.poll(job_id)
        job, errors = (wire(call) for call in klaviyo.calls()[-2:])
        api = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=klaviyo.url)
        fields = ["status", "created_at", "total_count", "failed_count"]
        api.Profiles.get_bulk_import_profiles_job(job_id, fields_profile_bulk_import_job=fields, options=PLAIN)
        assert job == wire(klaviyo.last_call())
        api.Profiles.get_errors_for_bulk_import_profiles_job(job_id, page_size=100, options=PLAIN)
        assert errors == wire(klaviyo.last_call())

    def test_look_up_and_removal(self, klaviyo: Running, ours: AudienceDestination) -> None:
        list_id = ours.ensure_target(TargetWish(name="VIP")).id
        sent(ours.add_members(list_id, [Member(1, "a+b@example.com")]))
        (outcome,) = sent(ours.remove_members(list_id, [Member(1, "a+b@example.com")]))
        look_up, removal = (wire(call) for call in klaviyo.calls()[-2:])
        api = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=klaviyo.url)
        api.Lists.get_profiles_for_list(
            list_id,
            filter='any(email,["a+b@example.com"])',
            fields_profile=["email", "joined_group_at"],
            page_size=100,
            options=PLAIN,
        )
        assert look_up == wire(klaviyo.last_call())
        body = {"data": [{"type": "profile", "id": outcome.remote_id}]}
        api.Lists.remove_profiles_from_list(list_id, body, options=PLAIN)
        assert removal == wire(klaviyo.last_call())

    def test_following_pages(self, klaviyo: Running, ours: AudienceDestination) -> None:
        list_id = ours.ensure_target(TargetWish(name="VIP")).id
        sent(ours.add_members(list_id, [Member(n, f"ann{n}@example.com") for n in range(101)]))
        list(ours.read_back(list_id))
        second = wire(klaviyo.last_call())
        api = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=klaviyo.url)
        options = {"fields_profile": ["email", "joined_group_at"], "page_size": 100, "options": PLAIN}
        first = api.Lists.get_profiles_for_list(list_id, **options)
        cursor = first["links"]["next"].partition("page%5Bcursor%5D=")[2]
        api.Lists.get_profiles_for_list(list_id, page_cursor=cursor, **options)
        assert second == wire(klaviyo.last_call())


class TestMailchimp:
    @pytest.fixture
    def ours(self, mailchimp: Running, connectors_for: Callable[..., VendorConnectors]) -> AudienceDestination:
        return opened(connectors_for("mailchimp", mailchimp), "mailchimp")

    @pytest.fixture
    def theirs(self, mailchimp: Running) -> mailchimp_marketing.Client:
        client = mailchimp_marketing.Client({"api_key": "sandbox-us1", "server": "us1"})
        client.api_client.host = f"{mailchimp.url}/3.0"
        return client

    @pytest.fixture
    def audience(self, mailchimp: Running) -> str:
        return str(mailchimp.state()["lists"][0]["id"])

    def test_account(self, mailchimp: Running, ours: AudienceDestination, theirs: mailchimp_marketing.Client) -> None:
        ours.check()
        mine = wire(mailchimp.last_call())
        theirs.root.get_root(fields=["account_id", "account_name"])
        assert mine == wire(mailchimp.last_call())

    def test_audiences_and_tags(
        self, mailchimp: Running, ours: AudienceDestination, theirs: mailchimp_marketing.Client, audience: str
    ) -> None:
        ours.discover()
        lists, tags = (wire(call) for call in mailchimp.calls()[-2:])
        fields = ["lists.id", "lists.name", "lists.stats.member_count", "total_items"]
        theirs.lists.get_all_lists(fields=fields, count=1000, offset=0)
        assert lists == wire(mailchimp.last_call())
        fields = ["segments.id", "segments.name", "segments.member_count", "segments.list_id", "total_items"]
        theirs.lists.list_segments(audience, type="static", fields=fields, count=1000, offset=0)
        assert tags == wire(mailchimp.last_call())

    def test_new_tag(
        self, mailchimp: Running, ours: AudienceDestination, theirs: mailchimp_marketing.Client, audience: str
    ) -> None:
        ours.ensure_target(TargetWish(name="One", container_id=audience))
        mine = wire(mailchimp.last_call())
        theirs.lists.create_segment(audience, {"name": "Two", "static_segment": []})
        other = wire(mailchimp.last_call())
        assert mine | {"body": None} == other | {"body": None}
        assert mine["body"] == {"name": "One", "static_segment": []}

    def test_bringing_in_and_tagging(
        self, mailchimp: Running, ours: AudienceDestination, theirs: mailchimp_marketing.Client, audience: str
    ) -> None:
        target = ours.ensure_target(TargetWish(name="VIP", container_id=audience)).id
        member = Member(1, "zoë@example.com", first_name="Zoë", last_name="O'Hara", consent="confirmed")
        sent(ours.add_members(target, [member]))
        posts = [call for call in mailchimp.calls() if call["method"] == "POST"]
        bring_in, tag = (wire(call) for call in posts[-2:])
        contact = {
            "email_address": "zoë@example.com",
            "status": "subscribed",
            "merge_fields": {"FNAME": "Zoë", "LNAME": "O'Hara"},
        }
        body = {"members": [contact], "update_existing": False}
        theirs.lists.batch_list_members(audience, body, skip_merge_validation=True)
        assert bring_in == wire(mailchimp.last_call())
        segment = target.partition(":")[2]
        theirs.lists.batch_segment_members({"members_to_add": ["zoë@example.com"]}, audience, segment)
        assert tag == wire(mailchimp.last_call())

    def test_removing(
        self, mailchimp: Running, ours: AudienceDestination, theirs: mailchimp_marketing.Client, audience: str
    ) -> None:
        target = ours.ensure_target(TargetWish(name="VIP", container_id=audience)).id
        sent(ours.remove_members(target, [Member(1, "ann@example.com")]))
        posts = [call for call in mailchimp.calls() if call["method"] == "POST"]
        segment = target.partition(":")[2]
        theirs.lists.batch_segment_members({"members_to_remove": ["ann@example.com"]}, audience, segment)
        assert wire(posts[-1]) == wire(mailchimp.last_call())
