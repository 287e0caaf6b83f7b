// Templates: images of a Ceph pool that new volumes begin as copy-on-write clones of.
//
// What makes an image one: the tag kTemplateTag, and a snapshot kTemplateSnapshot that clones refer to. On
// the other site's cluster its copy serves the volumes that are made there.
#pragma once

#include <string>
#include <vector>

#include "hostd/ceph.h"

namespace bascule::hostd {

// Why it can't be one of a volume of that size. `unavailable`: it isn't copied to this site yet.
Status check_template(const Ceph& ceph, const std::string& name, std::uint64_t volume_bytes);

struct Template {
  std::string name;
  ImageState state;
  std::size_t clones = 0;
};

// Makes the content of a raw or qcow2 file a template, all or nothing; what an import that broke off left is
// removed by the next of that name. The other site, if there is one, copies it. Shows its progress on
// standard output, and takes as long as the copy.
Status import_template(Ceph& ceph, const Ceph* other_site, const std::string& name, const std::string& file);
Result<std::vector<Template>> list_templates(const Ceph& ceph);
// `conflict` while volumes are clones of it.
Status remove_template(Ceph& ceph, const std::string& name);

}  // namespace bascule::hostd
