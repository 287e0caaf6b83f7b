// /v1/images: what machines can be made of, the provider's and the tenant's own, and how these are sent.
#include "failover/images.h"
#include "api/body.h"
#include "api/offer.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct ImageView {
  std::string name;
  std::string description;
  std::uint64_t least_mib = 0;  // of a volume that begins as it; 0: not known yet
  wire::ImageKind kind = wire::ImageKind::disk;
  bool own = false;  // its tenant's; of these alone:
  std::optional<ImagePhase> state{};
  std::optional<std::uint64_t> bytes{};
  std::string sha256{};
  std::string problem{};  // of the last try to send or remove it
};
template <class V>
void fields(V& v, ImageView& x) {
  v("name", x.name);
  v("description", x.description);
  v("least_mib", x.least_mib);
  v("kind", x.kind);
  v("own", x.own);
  v.optional("state", x.state);
  v.optional("bytes", x.bytes);
  v.optional("sha256", x.sha256);
  v.optional("problem", x.problem);
}

struct AnnounceBody {
  std::string name;
  wire::ImageKind kind = wire::ImageKind::disk;
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string reason;
};
template <class V>
void fields(V& v, AnnounceBody& x) {
  v("name", x.name);
  v.optional("kind", x.kind);
  v("bytes", x.bytes);
  v("sha256", x.sha256);
  v.optional("reason", x.reason);
}

// By {name}; null, and the call is refused, when there is none.
const TenantImage* named_image(const Call& call, const State& state) {
  const TenantImage* image = image_of(state, call.tenant, call.path.at("name"));
  if (!image) call.refuse(ErrorCode::not_found, "you have no image of this name");
  return image;
}

void list_images(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  List<ImageView> list;
  for (const ImageOffer& image : api.offer().image)
    list.items.push_back({image.name, image.description, image.least_mib});
  for (const auto& [id, image] : snapshot->state.directory.images)
    if (image.tenant == call.tenant)
      list.items.push_back({image.name, "", image.size_mib, image.kind, true, image.phase, image.bytes,
                            image.sha256, image.problem});
  call.answer(200, json::encode_text(list));
}

void announce(Api& api, Call call) {
  const auto body = body_of<AnnounceBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  if (api.offer().pool.empty())
    return call.refuse(ErrorCode::policy, "your provider offers no storage for images: ask them");
  for (const ImageOffer& offered : api.offer().image)
    if (offered.name == body->name)
      return call.refuse_all({{"name", "is that of an image of your provider: choose another"}});
  TenantImage image;
  image.id = ImageId(api.with_random([](Random& random) { return make_uuid(random); }));
  image.tenant = call.tenant;
  image.name = body->name;
  image.kind = body->kind;
  image.pool = api.offer().pool;
  image.bytes = body->bytes;
  image.sha256 = body->sha256;
  image.by = call.by;
  AnnounceImage event{call.asked(body->reason), std::move(image)};
  api.change(std::move(call), "announce_image", std::move(event));
}

void remove(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const TenantImage* image = named_image(call, snapshot->state);
  const auto body = image ? body_of<ReasonBody>(call) : std::nullopt;
  if (!body || !accept_reason(call, body->reason, false)) return;
  RemoveImageAsked event{call.asked(body->reason), image->id};
  api.change(std::move(call), "remove_image", std::move(event));
}

void upload(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const TenantImage* image = named_image(call, snapshot->state);
  if (!image) return;
  if (image->phase != ImagePhase::announced)
    return call.refuse(ErrorCode::conflict,
                       image->phase == ImagePhase::ready ? "it is there already" : "it is being removed");
  Consoles::Wanted wanted;
  wanted.image = image->id;
  const auto ticket = api.services().console(call.who(), wanted);
  if (!ticket) return call.refuse(problem_of(ticket.error()));
  const auto good = std::chrono::duration_cast<std::chrono::milliseconds>(Consoles::kTicket);
  call.answer(201, json::encode_text(Ticket{std::string(kConsolePath) + ticket->reveal(),
                                            {api.wall().unix_ms + good.count()}}));
}

}  // namespace

std::vector<Route> image_routes() {
  using P = Permission;
  return {
      {"GET",
       "/v1/images",
       for_tenants(P::see_machines),
       Reach::fleet,
       list_images,
       {"list_images", "What machines can be made of, your own images too", nullptr, gives<List<ImageView>>}},
      {"POST",
       "/v1/images",
       for_tenants(P::change_machines),
       Reach::fleet,
       announce,
       {"announce_image",
        "Say what image you will send: its size and SHA-256 are checked when it has come",
        takes<AnnounceBody>,
        gives<OperationView>,
        200,
        {},
        {409, 422}}},
      {"POST",
       "/v1/images/{name}/upload",
       for_tenants(P::change_machines),
       Reach::fleet,
       upload,
       {"upload_image",
        "A ticket for sending it: as binary messages over a WebSocket at that path, opened within 30 s, "
        "which is closed with what became of it",
        nullptr,
        gives<Ticket>,
        201,
        {},
        {404, 409}}},
      {"DELETE",
       "/v1/images/{name}",
       for_tenants(P::change_machines),
       Reach::fleet,
       remove,
       {"remove_image",
        "Remove an image of your own; machines that were made of it stay",
        takes<ReasonBody>,
        gives<OperationView>,
        200,
        {},
        {404, 409}}}};
}

}  // namespace bascule::api
