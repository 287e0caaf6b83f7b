#include "cluster/notify_texts.h"

#include <algorithm>
#include <utility>

#include "base/ensure.h"
#include "cluster/gsm7.h"

namespace bascule {
namespace {

struct Words {
  NoticeKind kind;
  Severity severity;
  std::string_view subject;
  std::string_view text;
  std::string_view sms;  // what, where, what next; at most one of {vms} and {detail}, which are cut to fit
};

using N = NoticeKind;
using S = Severity;

constexpr std::array kEnglish = {
    Words{
        N::host_lost, S::critical, "Host {host} is lost",
        "Host {host} doesn't answer any more, neither to the manager nor to its peers.\n"
        "It is being proved dead now; its protected VMs are started elsewhere as soon as it is.\n\n"
        "Next: nothing yet; follow it with `bascule status` and `bascule events --follow`.",
        "Bascule {cluster}: host {host} LOST. Its VMs restart elsewhere once it is proved dead. Next: wait, "
        "follow with bascule status"},
    Words{N::site_lost, S::critical, "Site {site} is lost",
          "No host of site {site} answers any more.\n"
          "Its protected VMs are started at the other site, host by host, as each is proved dead.\n\n"
          "Next: check power and links of {site}; follow with `bascule status`.",
          "Bascule {cluster}: SITE {site} LOST. VMs restart at the other site once proved dead. Next: check "
          "power and links, bascule status"},
    Words{
        N::fencing_held, S::critical, "Host {host} can't be proved dead: a person is needed",
        "Host {host} doesn't answer, and nothing proves that it is dead. {n} {n|VM waits|VMs wait}: a start "
        "elsewhere now could run it twice.\n    {detail}\n\n"
        "Next: go and see. Only when {host} is really without power, run\n"
        "    bascule host attest-down {host}\n"
        "It shows what will start. If the host still runs, repair its links or its BMC instead.",
        "Bascule {cluster}: host {host} silent but NOT proved dead, {n} {n|VM|VMs} HELD. Next: see that it "
        "is off, "
        "then bascule host attest-down {host}"},
    Words{
        N::host_doubted, S::critical, "Host {host} is silent, and nothing is decided",
        "Host {host} doesn't answer the manager, but that is no reason yet to switch its {n} {n|VM|VMs}:\n"
        "    {detail}\n\n"
        "Next: check the links of {host} and of the manager; `bascule explain host/{host}` has the details.\n"
        "Bascule goes on by itself as soon as the picture is clear.",
        "Bascule {cluster}: host {host} SILENT, nothing decided: {detail}. Next: check links, bascule "
        "explain "
        "host/{host}"},
    Words{N::vms_switched_loss, S::critical, "{n} {n|VM|VMs} switched from {host} to {site}, {lost} lost",
          "{n} {n|VM|VMs} of {host} {n|was|were} started at {site}:\n    {vms}\n\n"
          "What was written in the last {lost} had not been copied there yet: it is lost.\n"
          "Nothing moves back by itself.\n"
          "Next: tell the customers; when {host} is repaired, see `bascule failback plan`.",
          "Bascule {cluster}: {n} {n|VM|VMs} of {host} now {n|runs|run} at {site}, {lost} LOST: {vms}. Next: "
          "tell "
          "customers, repair, bascule failback plan"},
    Words{N::copies_behind, S::warning, "The copy of {vms} doesn't follow",
          "The other site lacks the latest data of {vms} (on {host}): {detail}.\n"
          "A switch now would lose data.\n\n"
          "Next: look at rbd-mirror there (restart one that runs and copies nothing), the link between the\n"
          "sites and the other Ceph cluster; see `bascule vm show {vms}`.",
          "Bascule {cluster}: the other site's copy of {vms} is BEHIND. Next: check rbd-mirror and the link"},
    Words{N::vms_switched, S::critical, "{n} {n|VM|VMs} switched from {host} to {site}",
          "{n} {n|VM|VMs} of {host} {n|was|were} started at {site}:\n    {vms}\n\n"
          "Nothing moves back by itself.\n"
          "Next: when {host} is repaired, see `bascule failback plan`.",
          "Bascule {cluster}: {n} {n|VM|VMs} of {host} now {n|runs|run} at {site}: {vms}. Nothing moves back "
          "alone. Next: "
          "repair, bascule failback plan"},
    Words{
        N::host_returned, S::info, "Host {host} is back, in quarantine",
        "Host {host} answers again. It gets no VM until a person has cleared it, and nothing moves back.\n\n"
        "Next: find out why it was lost, then `bascule host clear {host}`; for the way home see\n"
        "`bascule failback plan`.",
        "Bascule {cluster}: host {host} is BACK, quarantined, gets no VM. Next: find the cause, bascule host "
        "clear {host}, bascule failback plan"},
    Words{
        N::vm_failed, S::critical, "VM {vms} has failed",
        "VM {vms} on {host} is down and could not be started again.\n    {detail}\n\n"
        "Next: `bascule vm show {vms}` and `bascule explain {vms}`.",
        "Bascule {cluster}: VM DOWN on {host}, not restarted: {vms}. Next: bascule explain, bascule vm show"},
    Words{N::vm_restarted, S::warning, "{n} {n|VM|VMs} restarted on {host}",
          "{n} {n|VM|VMs} stopped unexpectedly and {n|was|were} started again on {host}:\n    "
          "{vms}\n\n"
          "Next: `bascule explain` says why; nothing has to be done now.",
          "Bascule {cluster}: {n} {n|VM|VMs} restarted on {host}: {vms}. Next: nothing urgent, see "
          "bascule "
          "explain"},
    Words{N::device_policy, S::critical, "Forbidden device on {host}",
          "A device that the policy forbids was found on {host} (VMs: {vms}):\n    {detail}\n\n"
          "Next: find out who added it; `bascule audit list`.",
          "Bascule {cluster}: FORBIDDEN DEVICE on {host}: {detail}. Next: find who added it, bascule audit "
          "list"},
    Words{N::fencing_not_ready, S::warning, "Host {host} can't be fenced",
          "If {host} failed now, its VMs could not be switched automatically:\n    {detail}\n\n"
          "Next: repair its BMC or guard; `bascule host show {host}`.",
          "Bascule {cluster}: host {host} CAN'T BE FENCED: {detail}. Next: repair BMC or guard, bascule host "
          "show {host}"},
    Words{
        N::channel_dead, S::critical, "A notification channel is dead",
        "Notices can't be delivered by one of their channels:\n    {detail}\n"
        "They wait in the outbox and are tried on and on.\n\n"
        "Next: repair the relay or gateway, then `bascule notify test`.",
        "Bascule {cluster}: NOTICE CHANNEL DEAD: {detail}. Next: repair the relay or gateway, bascule notify "
        "test"},
    Words{N::ends_soon, S::critical, "Something of the manager's comes to its end",
          "What the manager lives on comes to its end:\n    {detail}\n\n"
          "Next: as it says; `bascule status` tells when all is well.",
          "Bascule {cluster}: ENDS SOON: {detail}. Next: bascule status"},
    Words{N::failback_done, S::info, "{n} {n|VM is|VMs are} home at {site}",
          "The approved return is done. {n} {n|VM runs|VMs run} at {site} again:\n    {vms}\n\n"
          "Next: nothing; `bascule status` should say NOMINAL.",
          "Bascule {cluster}: return done, {n} {n|VM|VMs} home at {site}: {vms}. Next: check bascule status"},
    Words{N::failback_refused, S::warning, "A return was refused",
          "The approved return of {vms} was not carried out, or only in part:\n    {detail}\n\n"
          "Next: `bascule failback plan` shows what is possible now; approve anew.",
          "Bascule {cluster}: RETURN REFUSED: {detail}. Next: bascule failback plan, approve anew"},
    Words{
        N::out_of_band, S::critical, "Somebody acted past Bascule on {host}",
        "On {host} somebody started, stopped or changed {vms} without Bascule:\n    {detail}\n\n"
        "Next: find out who; `bascule audit list`. VMs that may not run there were stopped.",
        "Bascule {cluster}: ACTION PAST BASCULE on {host}: {vms}. Next: find who did it, bascule audit list"},
    Words{N::host_fault, S::warning, "Fault on host {host}",
          "Host {host} reports a fault:\n    {detail}\n\n"
          "Next: `bascule host show {host}`.",
          "Bascule {cluster}: FAULT on host {host}: {detail}. Next: bascule host show {host}"},
    Words{N::evidence_contradicted, S::critical, "Host {host} was proved dead, and speaks",
          "Host {host} was proved dead, and the same boot of it has spoken since:\n    {detail}\n"
          "That proof is void, and nothing more is started on its strength.\n\n"
          "Next: cut {host} from power and network at once, then find out why its BMC or watchdog lied.",
          "Bascule {cluster}: host {host} was proved dead and SPEAKS: VMs may run TWICE. Next: cut its power "
          "and "
          "network now, check its BMC"},
    Words{N::access_alert, S::warning, "Access out of the ordinary",
          "{detail}.\n\n"
          "Next: ask whose account it is; `bascule audit list` and `bascule report access` have each of it.",
          "Bascule {cluster}: ACCESS out of the ordinary: {detail}. Next: ask them, bascule report access"},
    Words{N::access_report, S::info, "Access to what is tenants', last week",
          "{detail}\n\n"
          "Next: nothing, if that is as it should be; `bascule report access` has each of it.",
          ""},
    Words{N::glass_broken, S::critical, "The glass of {vms} was broken",
          "Two of the provider's people let one of them inside {vms}, which is delivered, without its "
          "tenant's\n"
          "grant:\n    {detail}\n\n"
          "The console opens after the wait that its host is configured for, and it is marked for ever.\n"
          "Next: if nobody should, stop {vms} (`bascule vm kill`) or end their access session; ask them why.",
          "Bascule {cluster}: GLASS BROKEN: {detail}. Next: ask them, or end the access session"},
    Words{N::test, S::info, "Test",
          "This is a test of Bascule's notices, asked for by an operator. {detail}\n\n"
          "Next: nothing. If you got it by mail and by SMS, both channels work.",
          "Bascule {cluster}: TEST of notices. Next: nothing, this channel works"},
};

constexpr std::array kFrench = {
    Words{N::host_lost, S::critical, "Hôte {host} perdu",
          "L’hôte {host} ne répond plus, ni au gestionnaire ni à ses voisins.\n"
          "Sa mort est en cours de preuve ; ses VM protégées démarrent ailleurs dès qu’elle est acquise.\n\n"
          "À faire : rien encore ; suivre avec `bascule status` et `bascule events --follow`.",
          "Bascule {cluster} : hôte {host} PERDU. Ses VM redémarrent ailleurs dès sa mort prouvée. À faire : "
          "attendre, bascule status"},
    Words{N::site_lost, S::critical, "Site {site} perdu",
          "Plus aucun hôte du site {site} ne répond.\n"
          "Ses VM protégées démarrent sur l’autre site, hôte par hôte, dès que la mort de chacun est "
          "prouvée.\n\n"
          "À faire : vérifier l’énergie et les liens de {site} ; suivre avec `bascule status`.",
          "Bascule {cluster} : SITE {site} PERDU. Ses VM redémarrent sur l’autre site. À faire : vérifier "
          "énergie et liens, bascule status"},
    Words{
        N::fencing_held, S::critical, "Hôte {host} : mort non prouvée, une personne est requise",
        "L’hôte {host} ne répond plus et rien ne prouve qu’il est arrêté. {n} VM {n|attend|attendent} : un "
        "démarrage ailleurs maintenant pourrait la faire tourner en double.\n    {detail}\n\n"
        "À faire : aller voir. Seulement si {host} est vraiment hors tension, lancer\n"
        "    bascule host attest-down {host}\n"
        "La commande montre ce qui va démarrer. Si l’hôte tourne encore, réparer ses liens ou son BMC.",
        "Bascule {cluster} : hôte {host} muet, mort NON prouvée, {n} VM EN ATTENTE. À faire : vérifier qu’il "
        "est éteint puis bascule host attest-down {host}"},
    Words{N::host_doubted, S::critical, "Hôte {host} muet, rien n’est décidé",
          "L’hôte {host} ne répond plus au gestionnaire, mais ce n’est pas encore une raison de basculer {n} "
          "VM :\n"
          "    {detail}\n\n"
          "À faire : vérifier les liens de {host} et ceux du gestionnaire ; `bascule explain host/{host}` "
          "donne le\n"
          "détail. Bascule continue seul dès que la situation est claire.",
          "Bascule {cluster} : hôte {host} MUET, rien n’est décidé : {detail}. À faire : vérifier les liens, "
          "bascule explain host/{host}"},
    Words{N::vms_switched_loss, S::critical,
          "{n} VM {n|basculée|basculées} de {host} vers {site}, {lost} perdues",
          "{n} VM de {host} {n|a été démarrée|ont été démarrées} à {site} :\n    {vms}\n\n"
          "Ce qui a été écrit dans les dernières {lost} n’y était pas encore copié : c’est perdu.\n"
          "Rien ne revient de soi-même.\n"
          "À faire : prévenir les clients ; quand {host} sera réparé, voir `bascule failback plan`.",
          "Bascule {cluster} : {n} VM de {host} {n|tourne|tournent} à {site}, {lost} PERDUES : {vms}. À "
          "faire : "
          "prévenir les clients, réparer, bascule failback plan"},
    Words{N::copies_behind, S::warning, "La copie de {vms} ne suit plus",
          "L’autre site n’a pas les dernières données de {vms} (sur {host}) : {detail}.\n"
          "Une bascule maintenant perdrait des données.\n\n"
          "À faire : vérifier rbd-mirror là-bas (redémarrer celui qui tourne sans rien copier), le lien\n"
          "entre les sites et l’autre cluster Ceph ; voir `bascule vm show {vms}`.",
          "Bascule {cluster} : copie de {vms} sur l’autre site en RETARD. À faire : vérifier rbd-mirror, le "
          "lien"},
    Words{N::vms_switched, S::critical, "{n} VM {n|basculée|basculées} de {host} vers {site}",
          "{n} VM de {host} {n|a été démarrée|ont été démarrées} à {site} :\n    {vms}\n\n"
          "Rien ne revient de soi-même.\n"
          "À faire : quand {host} sera réparé, voir `bascule failback plan`.",
          "Bascule {cluster} : {n} VM de {host} {n|tourne|tournent} à {site} : {vms}. Aucun retour "
          "automatique. À faire : "
          "réparer, bascule failback plan"},
    Words{N::host_returned, S::info, "Hôte {host} revenu, en quarantaine",
          "L’hôte {host} répond à nouveau. Il ne reçoit aucune VM avant d’avoir été validé, et rien ne "
          "revient.\n\n"
          "À faire : trouver la cause, puis `bascule host clear {host}` ; pour le retour, voir\n"
          "`bascule failback plan`.",
          "Bascule {cluster} : hôte {host} REVENU, en quarantaine. À faire : trouver la cause, bascule host "
          "clear {host}, bascule failback plan"},
    Words{N::vm_failed, S::critical, "VM {vms} en panne",
          "La VM {vms} sur {host} est arrêtée et n’a pas pu redémarrer.\n    {detail}\n\n"
          "À faire : `bascule vm show {vms}` et `bascule explain {vms}`.",
          "Bascule {cluster} : VM EN PANNE sur {host}, non redémarrée : {vms}. À faire : bascule explain, "
          "bascule vm show"},
    Words{N::vm_restarted, S::warning, "{n} VM {n|redémarrée|redémarrées} sur {host}",
          "{n} VM {n|s’est arrêtée|se sont arrêtées} de façon imprévue et {n|a|ont} redémarré sur "
          "l’hôte {host} :\n    {vms}\n\n"
          "À faire : rien d’urgent ; `bascule explain` dit pourquoi.",
          "Bascule {cluster} : {n} VM {n|redémarrée|redémarrées} sur {host} : {vms}. À faire : "
          "rien d’urgent, voir "
          "bascule explain"},
    Words{N::device_policy, S::critical, "Périphérique interdit sur {host}",
          "Un périphérique interdit par la politique a été trouvé sur {host} (VM : {vms}) :\n    {detail}\n\n"
          "À faire : trouver qui l’a ajouté ; `bascule audit list`.",
          "Bascule {cluster} : PÉRIPHÉRIQUE INTERDIT sur {host} : {detail}. À faire : trouver qui, bascule "
          "audit list"},
    Words{
        N::fencing_not_ready, S::warning, "Hôte {host} impossible à isoler",
        "Si {host} tombait maintenant, ses VM ne pourraient pas basculer automatiquement :\n    {detail}\n\n"
        "À faire : réparer son BMC ou son guard ; `bascule host show {host}`.",
        "Bascule {cluster} : hôte {host} IMPOSSIBLE À ISOLER : {detail}. À faire : réparer BMC ou guard, "
        "bascule host show {host}"},
    Words{N::channel_dead, S::critical, "Un canal de notification est en panne",
          "Les avis ne peuvent plus partir par l’un de leurs canaux :\n    {detail}\n"
          "Ils attendent et sont réessayés sans fin.\n\n"
          "À faire : réparer le relais ou la passerelle, puis `bascule notify test`.",
          "Bascule {cluster} : CANAL D’AVIS EN PANNE : {detail}. À faire : réparer le relais, bascule notify "
          "test"},
    Words{N::ends_soon, S::critical, "Ce dont vit le manager arrive à son terme",
          "Ce dont vit le manager arrive à son terme :\n    {detail}\n\n"
          "À faire : ce qui est dit ; `bascule status` montre quand tout va bien.",
          "Bascule {cluster} : ARRIVE À SON TERME : {detail}. À faire : bascule status"},
    Words{N::failback_done, S::info, "{n} VM de retour à {site}",
          "Le retour approuvé est terminé. {n} VM {n|tourne|tournent} à nouveau à {site} :\n    {vms}\n\n"
          "À faire : rien ; `bascule status` doit dire NOMINAL.",
          "Bascule {cluster} : retour terminé, {n} VM à {site} : {vms}. À faire : vérifier bascule status"},
    Words{
        N::failback_refused, S::warning, "Un retour a été refusé",
        "Le retour approuvé de {vms} n’a pas eu lieu, ou en partie seulement :\n    {detail}\n\n"
        "À faire : `bascule failback plan` montre ce qui est possible ; approuver à nouveau.",
        "Bascule {cluster} : RETOUR REFUSÉ : {detail}. À faire : bascule failback plan, approuver à nouveau"},
    Words{N::out_of_band, S::critical, "Action hors de Bascule sur {host}",
          "Sur {host}, quelqu’un a démarré, arrêté ou modifié {vms} sans Bascule :\n    {detail}\n\n"
          "À faire : trouver qui ; `bascule audit list`. Les VM qui n’ont pas le droit d’y tourner ont été "
          "arrêtées.",
          "Bascule {cluster} : ACTION HORS BASCULE sur {host} : {vms}. À faire : trouver qui, bascule audit "
          "list"},
    Words{N::host_fault, S::warning, "Défaut sur l’hôte {host}",
          "L’hôte {host} signale un défaut :\n    {detail}\n\n"
          "À faire : `bascule host show {host}`.",
          "Bascule {cluster} : DÉFAUT sur l’hôte {host} : {detail}. À faire : bascule host show {host}"},
    Words{
        N::evidence_contradicted, S::critical, "Hôte {host} : mort prouvée, et pourtant il parle",
        "La mort de l’hôte {host} était prouvée, et le même démarrage a parlé depuis :\n    {detail}\n"
        "Cette preuve est annulée, et plus rien ne démarre sur sa foi.\n\n"
        "À faire : couper tout de suite l’énergie et le réseau de {host}, puis chercher pourquoi son BMC ou "
        "son watchdog a menti.",
        "Bascule {cluster} : hôte {host} prouvé mort, il PARLE : VM peut-être EN DOUBLE. À faire : couper "
        "son "
        "énergie et son réseau, vérifier le BMC"},
    Words{N::access_alert, S::warning, "Accès inhabituels",
          "{detail}.\n\n"
          "À faire : demander à la personne ; `bascule audit list` et `bascule report access` donnent le "
          "détail.",
          "Bascule {cluster} : ACCÈS inhabituels : {detail}. À faire : demander, bascule report access"},
    Words{N::access_report, S::info, "Accès aux biens des clients, semaine passée",
          "{detail}\n\n"
          "À faire : rien, si tout est normal ; `bascule report access` donne le détail.",
          ""},
    Words{
        N::glass_broken, S::critical, "Bris de glace sur {vms}",
        "Deux personnes de l’hébergeur en laissent entrer une dans {vms}, qui est livrée, sans l’accord de\n"
        "son client :\n    {detail}\n\n"
        "La console s’ouvre après l’attente réglée sur son hôte, et la trace reste à jamais.\n"
        "À faire : si nul ne le doit, arrêter {vms} (`bascule vm kill`) ou clore la session d’accès ; "
        "demander "
        "pourquoi.",
        "Bascule {cluster} : BRIS DE GLACE : {detail}. À faire : demander, ou clore la session d’accès"},
    Words{N::test, S::info, "Essai",
          "Ceci est un essai des avis de Bascule, demandé par un opérateur. {detail}\n\n"
          "À faire : rien. Si vous l’avez reçu par mail et par SMS, les deux canaux marchent.",
          "Bascule {cluster} : ESSAI des avis. À faire : rien, ce canal marche"},
};
static_assert(kEnglish.size() == enum_names(NoticeKind{}).size());
static_assert(kFrench.size() == enum_names(NoticeKind{}).size());

using Facts = std::array<std::pair<std::string_view, std::string>, 7>;

// "{n|VM was|VMs were}": the first for one (in French for none too), else the second.
std::string_view choose(std::string_view choices, bool singular) {
  const std::size_t bar = choices.find('|');
  ensure(bar != std::string_view::npos, "a choice in a notice has two forms");
  return singular ? choices.substr(0, bar) : choices.substr(bar + 1);
}

// One pass, so that braces in a fact are never taken for a placeholder.
std::string fill(std::string_view words, const Facts& facts, bool singular) {
  std::string result;
  while (!words.empty()) {
    const std::size_t brace = words.find('{');
    result += words.substr(0, brace);
    if (brace == std::string_view::npos) break;
    words.remove_prefix(brace);
    const std::size_t end = words.find('}');
    ensure(end != std::string_view::npos, "a placeholder in a notice ends");
    const std::string_view name = words.substr(1, end - 1);
    words.remove_prefix(end + 1);
    if (name.starts_with("n|")) {
      result += choose(name.substr(2), singular);
      continue;
    }
    const auto fact =
        std::find_if(facts.begin(), facts.end(), [&](const auto& f) { return f.first == name; });
    ensure(fact != facts.end(), "a placeholder in a notice is a known fact");
    result += fact->second;
  }
  return result;
}

// What comes first and last in an SMS stays; the list or detail in its middle is cut.
std::string fill_sms(std::string_view words, Facts facts, bool singular) {
  Facts without = facts;
  for (auto& [name, value] : without)
    if (name == "vms" || name == "detail") value.clear();
  const std::size_t taken = gsm7::septets(gsm7::transliterate(fill(words, without, singular)));
  const std::size_t room = taken < gsm7::kOneMessage ? gsm7::kOneMessage - taken : 0;
  for (auto& [name, value] : facts)
    if (name == "vms" || name == "detail") value = gsm7::fit(value, room > 1 ? room - 1 : 0);
  return gsm7::fit(fill(words, facts, singular));
}

}  // namespace

Notice compose(NoticeKind kind, Language language, const NoticeFacts& facts) {
  const auto& catalogue = language == Language::fr ? kFrench : kEnglish;
  const auto words =
      std::find_if(catalogue.begin(), catalogue.end(), [&](const Words& w) { return w.kind == kind; });
  ensure(words != catalogue.end(), "every kind of notice has its words");
  const Facts values = {{{"cluster", facts.cluster},
                         {"host", facts.host},
                         {"site", facts.site},
                         {"vms", facts.vms},
                         {"n", std::to_string(facts.n)},
                         {"detail", facts.detail},
                         {"lost", facts.lost}}};
  const bool singular = facts.n == 1 || (facts.n == 0 && language == Language::fr);
  Notice notice;
  notice.severity = words->severity;
  notice.subject = "[Bascule " + facts.cluster + "] " + fill(words->subject, values, singular);
  notice.text = fill(words->text, values, singular) + "\n";
  notice.sms_text = fill_sms(words->sms, values, singular);
  return notice;
}

}  // namespace bascule
