import { get, type Schemas } from "../api";
import { useLive } from "../live";
import { Shown, Table } from "../parts/basic";
import { useText } from "../text";

export function Images() {
  const t = useText();
  const live = useLive(async () => (await get<Schemas["ImageViewList"]>("/v1/images")).items);
  return (
    <>
      <div class="title">
        <h1>{t("images.title")}</h1>
      </div>
      <Shown of={live}>
        {(images) =>
          images.length === 0 ? (
            <p class="quiet">{t("images.empty")}</p>
          ) : (
            <Table heads={["machines.name", "images.kind", "images.least", "machines.state", null]}>
              {images.map((image) => (
                <tr key={image.name}>
                  <td>{image.name}</td>
                  <td>{image.kind}</td>
                  <td>{image.least_mib ? `${image.least_mib} MiB` : "–"}</td>
                  <td>{image.own ? `${t("images.own")}: ${image.state ?? ""}` : t("images.offered")}</td>
                  <td>{image.own ? image.problem : image.description}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
    </>
  );
}
