"""The part of the Admin schema that the shops have data for. What is not here is an error when selected."""

from collections.abc import Mapping

from sandbox.shopify.fields import Connection, Embed, Field, Items, Leaf, Lookup, Record, Ref, bag, gid, money

NO_VALUE = Leaf("None")  # truly none in these shops, and null in the schema: not a missing answer


def _visit(at: str) -> Embed:
    """A visit said to have led to the order; invented, for orders placed online."""
    utm = Embed(
        {
            "source": Leaf("journeys[{journey}]['utm_source']"),
            "medium": Leaf("journeys[{journey}]['utm_medium']"),
            "campaign": NO_VALUE,
            "content": NO_VALUE,
            "term": NO_VALUE,
        },
        when="journeys[{journey}]['utm_source'] is not None",
    )
    return Embed(
        {
            "id": Leaf("gid('CustomerVisit', {id})"),
            "occurredAt": Leaf(at),
            "source": Leaf("journeys[{journey}]['source']"),
            "sourceType": NO_VALUE,
            "landingPage": Leaf("journeys[{journey}]['landing']"),
            "referrerUrl": Leaf("journeys[{journey}]['referrer']"),
            "utmParameters": utm,
        }
    )


def _address(when: str) -> Embed:
    fields: dict[str, Field] = {
        "id": Leaf("gid('MailingAddress', {id})"),
        "address1": Leaf("{address1}"),
        "address2": NO_VALUE,
        "city": Leaf("{city}"),
        "province": Leaf("{province}"),
        "provinceCode": Leaf("{province_code}"),
        "zip": Leaf("{zip}"),
        "country": Leaf("'United States'"),
        "countryCodeV2": Leaf("'US'"),
        "company": NO_VALUE,
        "latitude": Leaf("coordinate({zip}, {address1}, 0)"),
        "longitude": Leaf("coordinate({zip}, {address1}, 1)"),
    }
    return Embed(fields, when=when)


_CONSENT = Embed(
    {
        "emailAddress": Leaf("{email}"),
        "validFormat": Leaf("bool({email_valid})"),
        "marketingState": Leaf("{email_state}"),
        "marketingOptInLevel": Leaf("{opt_in} if {email_state} in ('SUBSCRIBED', 'UNSUBSCRIBED', 'PENDING') else None"),
        "marketingUpdatedAt": Leaf("{email_updated_at}"),
        "marketingUnsubscribeUrl": Leaf("'https://' + shop + '/account/unsubscribe?customer=' + str({id})"),
        "openTrackingLevel": Leaf("{tracking}"),
    },
    when="{email} is not None",
)

CUSTOMER = Record(
    "customers",
    {
        "id": gid("Customer"),
        "legacyResourceId": Leaf("str({id})"),
        "firstName": Leaf("{first_name}"),
        "lastName": Leaf("{last_name}"),
        "displayName": Leaf("' '.join(filter(None, ({first_name}, {last_name}))) or {email} or ''"),
        "locale": Leaf("'en'"),
        "state": Leaf("'DISABLED'"),
        "tags": Leaf("listed({tags})"),
        "note": Leaf("{note}"),
        "createdAt": Leaf("{created_at}"),
        "updatedAt": Leaf("{updated_at}"),
        "verifiedEmail": Leaf("{email} is not None"),
        "dataSaleOptOut": Leaf("bool({data_sale_opt_out})"),
        "numberOfOrders": Leaf("str({orders_count})"),
        "amountSpent": money("{spent}"),
        "lifetimeDuration": Leaf("lifetime({created_at})"),
        "productSubscriberStatus": Leaf("'NEVER_SUBSCRIBED'"),
        "taxExempt": Leaf("False"),
        "statistics": Embed({"predictedSpendTier": Leaf("{tier}"), "rfmGroup": Leaf("{rfm_group}")}),
        "defaultEmailAddress": _CONSENT,
        "defaultPhoneNumber": Embed(
            {
                "phoneNumber": Leaf("{phone}"),
                "smsMarketingConsent": Embed(
                    {
                        "state": Leaf("'NEVER_SUBSCRIBED' if {sms_state} == 'NOT_SUBSCRIBED' else {sms_state}"),
                        "optInLevel": Leaf("'SINGLE_OPT_IN' if {sms_state} == 'SUBSCRIBED' else None"),
                        "updatedAt": Leaf("{created_at}"),
                    }
                ),
            },
            when="{phone} is not None",
        ),
        "defaultAddress": _address("{city} is not None"),
        "lastOrder": Ref("Order", "last_order_id"),
        "orders": Connection("Order", "t.customer_id"),
        "metafields": Connection("Metafield", "t.owner_id", ("namespace", "keys")),
        "metafield": Lookup("Metafield", "t.owner_id", ("namespace", "key")),
    },
)

METAFIELD = Record(
    "metafields",
    {
        "id": gid("Metafield"),
        "legacyResourceId": Leaf("str({id})"),
        "namespace": Leaf("{namespace}"),
        "key": Leaf("{key}"),
        "type": Leaf("{type}"),
        "value": Leaf("{value}"),
        "jsonValue": Leaf("{value}"),
        "compareDigest": Leaf("digest({value})"),
        "createdAt": Leaf("{created_at}"),
        "updatedAt": Leaf("{created_at}"),
    },
)

_REFUND: dict[str, Field] = {
    "id": gid("Refund"),
    "legacyResourceId": Leaf("str({id})"),
    "createdAt": Leaf("{created_at}"),
    "processedAt": Leaf("{created_at}"),
    "updatedAt": Leaf("{created_at}"),
    "note": NO_VALUE,
    "totalRefundedSet": bag("{cents}"),
}

ORDER = Record(
    "orders",
    {
        "id": gid("Order"),
        "legacyResourceId": Leaf("str({id})"),
        "name": Leaf("{name}"),
        "number": Leaf("{number}"),
        "createdAt": Leaf("{created_at}"),
        "processedAt": Leaf("{processed_at}"),
        "updatedAt": Leaf("{updated_at}"),
        "cancelledAt": Leaf("{cancelled_at}"),
        "cancelReason": Leaf("'OTHER' if {cancelled_at} else None"),
        "test": Leaf("bool({test})"),
        "note": NO_VALUE,
        "sourceName": Leaf("{source_name}"),
        "currencyCode": Leaf("currency"),
        "presentmentCurrencyCode": Leaf("currency"),
        "displayFinancialStatus": Leaf("{financial_status}"),
        "displayFulfillmentStatus": Leaf("{fulfillment_status}"),
        "discountCodes": Leaf("listed({discount_codes})"),
        "discountCode": Leaf("(listed({discount_codes}) or [None])[0]"),
        "tags": Leaf("listed({tags})"),
        "customerAcceptsMarketing": Leaf("bool({accepts_marketing})"),
        "customer": Ref("Customer", "customer_id"),
        "email": Leaf("{email}"),
        "phone": NO_VALUE,
        "totalPriceSet": bag("{total}"),
        "currentTotalPriceSet": bag("{current_total}"),
        "subtotalPriceSet": bag("{subtotal}"),
        "currentSubtotalPriceSet": bag("{current_total}"),
        "totalDiscountsSet": bag("{discounts}"),
        "totalRefundedSet": bag("{refunded}"),
        "refundDiscrepancySet": bag("sum(r.get('discrepancy', 0) for r in listed({refunds}))"),
        "totalShippingPriceSet": bag("{shipping}"),
        "totalTaxSet": bag("{tax}"),
        "taxesIncluded": Leaf("True"),
        "shippingAddress": _address("{city} is not None"),
        "customerJourneySummary": Embed(
            {
                "ready": Leaf("True"),
                "customerOrderIndex": Leaf("None if {customer_index} is None else {customer_index} - 1"),
                "daysToConversion": Leaf("0"),
                "firstVisit": _visit("{created_at}"),
                "lastVisit": _visit("{created_at}"),
            },
            when="{journey} >= 0",
        ),
        "refunds": Items("listed({refunds})", _REFUND),
        "lineItems": Connection("LineItem", "t.order_id"),
    },
)

LINE_ITEM = Record(
    "lines",
    {
        "id": gid("LineItem"),
        "title": Leaf("{title} or {product_title}"),
        "name": Leaf("{title} or ({product_title} + ' - ' + {variant_title})"),
        "variantTitle": Leaf("{variant_title}"),
        "sku": Leaf("{sku}"),
        "vendor": Leaf("{vendor}"),
        "quantity": Leaf("{quantity}"),
        "currentQuantity": Leaf("{current_quantity}"),
        "isGiftCard": Leaf("bool({is_gift_card})"),
        "requiresShipping": Leaf("not {is_gift_card}"),
        "product": Ref("Product", "product_id"),
        "variant": Ref("ProductVariant", "variant_id"),
        "sellingPlan": NO_VALUE,
        "originalUnitPriceSet": bag("{unit}"),
        "originalTotalSet": bag("{unit} * {quantity}"),
        "discountedTotalSet": bag("{total}"),
        "discountedUnitPriceSet": bag("{total} // {quantity}"),
        "totalDiscountSet": bag("{unit} * {quantity} - {total}"),
    },
    joins="LEFT JOIN products p ON p.id = t.product_id LEFT JOIN variants v ON v.id = t.variant_id",
    extra={"product_title": "p.title", "vendor": "p.vendor", "variant_title": "v.title", "sku": "v.sku"},
)

PRODUCT = Record(
    "products",
    {
        "id": gid("Product"),
        "legacyResourceId": Leaf("str({id})"),
        "title": Leaf("{title}"),
        "handle": Leaf("{handle}"),
        "status": Leaf("{status}"),
        "vendor": Leaf("{vendor}"),
        "productType": Leaf("{product_type}"),
        "tags": Leaf("listed({tags})"),
        "category": NO_VALUE,
        "createdAt": Leaf("{created_at}"),
        "updatedAt": Leaf("{updated_at}"),
        "publishedAt": Leaf("{created_at} if {status} == 'ACTIVE' else None"),
        "onlineStoreUrl": Leaf("'https://' + shop + '/products/' + {handle} if {status} == 'ACTIVE' else None"),
        "description": Leaf("{title} + ' by ' + {vendor} + ': ' + {product_type} + '.'"),
        "isGiftCard": Leaf("False"),
        "totalInventory": Leaf("{inventory}"),
        "tracksInventory": Leaf("True"),
        "requiresSellingPlan": Leaf("False"),
        "featuredMedia": NO_VALUE,
        "priceRangeV2": Embed({"minVariantPrice": money("{price_min}"), "maxVariantPrice": money("{price_max}")}),
        "variants": Connection("ProductVariant", "t.product_id"),
        "collections": Connection("Collection", "m.id", through="JOIN products m ON m.collection_id = t.id"),
    },
)

VARIANT = Record(
    "variants",
    {
        "id": gid("ProductVariant"),
        "legacyResourceId": Leaf("str({id})"),
        "title": Leaf("{title}"),
        "displayName": Leaf("{product_title} + ' - ' + {title}"),
        "sku": Leaf("{sku}"),
        "barcode": NO_VALUE,
        "position": Leaf("{position}"),
        "price": Leaf("'%.2f' % ({price} / 100)"),
        "compareAtPrice": NO_VALUE,
        "availableForSale": Leaf("{inventory} > 0"),
        "inventoryQuantity": Leaf("{inventory}"),
        "createdAt": Leaf("{created_at}"),
        "updatedAt": Leaf("{updated_at}"),
        "selectedOptions": Items(
            "[dict(name='Size', value={title})]", {"name": Leaf("{name}"), "value": Leaf("{value}")}
        ),
        "product": Ref("Product", "product_id"),
        "inventoryItem": Embed(
            {
                "id": gid("InventoryItem"),
                "tracked": Leaf("True"),
                "unitCost": NO_VALUE,
                "measurement": Embed({"id": gid("InventoryItemMeasurement"), "weight": NO_VALUE}),
            }
        ),
    },
    joins="JOIN products p ON p.id = t.product_id",
    extra={"product_title": "p.title"},
)

COLLECTION = Record(
    "collections",
    {
        "id": gid("Collection"),
        "legacyResourceId": Leaf("str({id})"),
        "title": Leaf("{title}"),
        "handle": Leaf("{handle}"),
        "updatedAt": Leaf("{updated_at}"),
        "products": Connection("Product", "t.collection_id"),
    },
    joins="",
)

RECORDS: Mapping[str, Record] = {
    "Customer": CUSTOMER,
    "Metafield": METAFIELD,
    "Order": ORDER,
    "LineItem": LINE_ITEM,
    "Product": PRODUCT,
    "ProductVariant": VARIANT,
    "Collection": COLLECTION,
}
ROOTS: Mapping[str, str] = {
    "customers": "Customer",
    "orders": "Order",
    "products": "Product",
    "productVariants": "ProductVariant",
    "collections": "Collection",
}
