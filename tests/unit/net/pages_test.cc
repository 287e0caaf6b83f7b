// What a browser gets of a portal: files as they were built, the document for every other page, and nothing
// else.
#include "base/net/pages.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

namespace bascule::net {
namespace {

struct Built {
  Built() {
    char name[] = "/tmp/bascule-pages-XXXXXX";
    folder = mkdtemp(name);
    std::filesystem::create_directory(folder + "/assets");
    write("/index.html", "<html>");
    write("/icon.svg", "<svg>");
    write("/assets/index-abc.js", "script");
    write("/assets/index-abc.js.br", "BR");
    write("/assets/index-abc.js.gz", "GZ");
  }
  ~Built() { std::filesystem::remove_all(folder); }
  Built(const Built&) = delete;
  Built& operator=(const Built&) = delete;
  void write(const std::string& path, const std::string& text) const { std::ofstream(folder + path) << text; }

  static HttpRequest get(const std::string& target, std::map<std::string, std::string> headers = {}) {
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    request.headers = std::move(headers);
    return request;
  }
  std::string folder;
};

TEST_CASE_FIXTURE(
    Built,
    "files are given as they are, compressed for whoever takes that, and for ever where they never change") {
  const auto pages = Pages::load(folder);
  REQUIRE(pages);
  const auto script = pages->answer(get("/assets/index-abc.js"));
  REQUIRE(script);
  CHECK(script->body == "script");
  CHECK(script->content_type == "text/javascript; charset=utf-8");
  CHECK(script->headers.at("cache-control") == "public, max-age=31536000, immutable");
  CHECK(pages->answer(get("/assets/index-abc.js", {{"accept-encoding", "gzip, deflate, br"}}))->body == "BR");
  const auto zipped = pages->answer(get("/assets/index-abc.js", {{"accept-encoding", "gzip"}}));
  CHECK(zipped->body == "GZ");
  CHECK(zipped->headers.at("content-encoding") == "gzip");
  const auto again = pages->answer(
      get("/icon.svg", {{"if-none-match", pages->answer(get("/icon.svg"))->headers.at("etag")}}));
  CHECK(again->status == 304);
  CHECK(again->body.empty());
}

TEST_CASE_FIXTURE(Built, "every other page is the document, which is looked at anew each time") {
  const auto pages = Pages::load(folder);
  REQUIRE(pages);
  for (const char* target :
       {"/", "/machines/shop-1", "/people?x=1", "/anything/at/all", "/machines/shop.1/serial"}) {
    const auto page = pages->answer(get(target));
    REQUIRE(page);
    CHECK(page->body == "<html>");
    CHECK(page->headers.at("cache-control") == "no-cache");
    const std::string& policy = page->headers.at("content-security-policy");
    CHECK(policy.find("default-src 'none'") == 0);
    CHECK(policy.find("script-src 'self';") != std::string::npos);
    CHECK(page->headers.at("x-frame-options") == "DENY");
    CHECK_FALSE(page->headers.contains("set-cookie"));
  }
}

TEST_CASE_FIXTURE(Built, "nothing else is a page: the API, other methods, paths that lead elsewhere") {
  const auto pages = Pages::load(folder);
  REQUIRE(pages);
  for (const char* target : {"/v1/vms", "/../etc/passwd", "/assets/../../etc/passwd", "/%2e%2e/etc/passwd",
                             "/assets/none.js", "//evil.example/", "/a\\b", "/index.html%00"}) {
    CAPTURE(target);
    const auto page = pages->answer(get(target));
    CHECK((!page || page->body == "<html>"));
    if (page) CHECK_FALSE(page->headers.contains("location"));
  }
  HttpRequest post = get("/");
  post.method = "POST";
  CHECK_FALSE(pages->answer(post));
  CHECK_FALSE(pages->answer(get("/v1/vms")));
  CHECK_FALSE(pages->answer(get("/assets/none.js")));
  CHECK_FALSE(pages->answer(get("/machines/../assets/none.js")));
}

TEST_CASE_FIXTURE(Built, "a folder without the document is none") {
  std::filesystem::remove(folder + "/index.html");
  CHECK(Pages::load(folder).error().message.find("no index.html") != std::string::npos);
  CHECK_FALSE(Pages::load(folder + "/none"));
}

TEST_CASE("who asks by another site's page is told apart from our own, and from programs") {
  CHECK_FALSE(is_from_elsewhere("", "", "portal:443"));
  CHECK_FALSE(is_from_elsewhere("https://portal:443", "same-origin", "portal:443"));
  CHECK_FALSE(is_from_elsewhere("", "none", "portal"));  // typed into the address bar
  CHECK(is_from_elsewhere("https://evil.example", "", "portal"));
  CHECK(is_from_elsewhere("null", "", "portal"));
  CHECK(is_from_elsewhere("http://portal", "", "portal"));
  CHECK(is_from_elsewhere("", "cross-site", "portal"));
  CHECK(is_from_elsewhere("", "same-site", "portal"));
}

}  // namespace
}  // namespace bascule::net
