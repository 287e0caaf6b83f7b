import { get, type Schemas } from "../api";
import { useLive } from "../live";
import { Shown } from "../parts/basic";
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
            <div class="scroll" tabIndex={0} role="group" aria-label={t("app.table")}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">{t("machines.name")}</th>
                    <th scope="col">{t("images.kind")}</th>
                    <th scope="col">{t("images.least")}</th>
                    <th scope="col">{t("machines.state")}</th>
                    <th scope="col" />
                  </tr>
                </thead>
                <tbody>
                  {images.map((image) => (
                    <tr key={image.name}>
                      <td>{image.name}</td>
                      <td>{image.kind}</td>
                      <td>{image.least_mib ? `${image.least_mib} MiB` : "–"}</td>
                      <td>{image.own ? `${t("images.own")}: ${image.state ?? ""}` : t("images.offered")}</td>
                      <td>{image.own ? image.problem : image.description}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Shown>
    </>
  );
}
